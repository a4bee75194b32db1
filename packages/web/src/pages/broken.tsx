import { asHearthError, type HearthError } from '@hearth/contract';
import { Component, type ReactNode } from 'react';
import { Problem } from '../design/problem.tsx';

/** Shows a fault of the page itself instead of nothing. (React knows such a boundary only as a class.) */
export class Broken extends Component<{ children: ReactNode }, { error: HearthError | null }> {
  override state: { error: HearthError | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: HearthError } {
    return { error: asHearthError(error) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <main className="narrow">
        <h1>This page broke</h1>
        <Problem error={error}>
          <a href={location.pathname}>Load it again</a>
        </Problem>
      </main>
    );
  }
}
