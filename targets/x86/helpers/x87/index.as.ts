// Entry of the x87 helper module: what is exported here is what ../x87-table.ts lists (AssemblyScript).

export * from './arith.as';
export * from './compare.as';
export * from './control.as';
export * from './load-store.as';
export * from './transcendental.as';
