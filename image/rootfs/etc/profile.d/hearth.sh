# In a browser VM links open on its desktop; elsewhere tools show them.
if [ -S /run/hearth-open/socket ]; then
  export BROWSER=/usr/lib/hearth/open-url
fi
