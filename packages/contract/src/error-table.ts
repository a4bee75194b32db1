import { errorsOfCalls } from './errors/calls.ts';
import type { ErrorEntry } from './errors/error-entry.ts';
import { errorsOfProviders } from './errors/providers.ts';
import { errorsOfViews } from './errors/views.ts';
import { errorsOfVms } from './errors/vms.ts';

/** The one table of errors. An answer's `code` is a key of it. */
export const errorTable = {
  ...errorsOfCalls,
  ...errorsOfVms,
  ...errorsOfViews,
  ...errorsOfProviders,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;
export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];
