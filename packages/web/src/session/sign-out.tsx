import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { useNavigate } from 'react-router';
import { tell } from '../api/request.ts';
import { Icon } from '../design/icon.tsx';

export function SignOut(): ReactElement {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leaving = useMutation({
    mutationFn: () => tell('DELETE', '/api/session', { anonymous: true }),
    onSuccess: async () => {
      await navigate('/signin');
      queries.clear();
    },
  });
  return (
    <button
      type="button"
      className="button quiet slim"
      title={leaving.isError ? `Not signed out: ${leaving.error.message}` : 'Sign out'}
      disabled={leaving.isPending}
      onClick={() => leaving.mutate()}
    >
      <Icon name="leave" />
      <span className="hidden-text">Sign out</span>
    </button>
  );
}
