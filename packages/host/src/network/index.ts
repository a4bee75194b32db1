export { planNetwork, type NetworkPlan } from './addressing.ts';
export { openAddressBook, type AddressBook, type AddressRow, type AddressStore } from './address-book.ts';
export { createHostNetwork, type HostNetwork, type HostNetworkOptions } from './host-network.ts';
export type { Lease, LeaseEvent } from './leases.ts';
export { namespaceExists, prepareNamespace, removeNamespace, type Removal, type Steps } from './namespace.ts';
