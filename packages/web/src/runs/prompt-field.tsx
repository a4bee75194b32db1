import { useId, type ReactElement } from 'react';

export interface PromptFieldProps {
  label: string;
  value: string;
  rows?: number;
  onChange: (text: string) => void;
  onSubmit: () => void;
}

export function PromptField({ label, value, rows = 5, onChange, onSubmit }: PromptFieldProps): ReactElement {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        className="input"
        rows={rows}
        value={value}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          onSubmit();
        }}
      />
    </div>
  );
}
