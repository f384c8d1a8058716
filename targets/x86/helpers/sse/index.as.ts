// Entry of the SSE helper module: what is exported here is what ../sse-table.ts lists (AssemblyScript).

export * from './arith.as';
export * from './compare.as';
export * from './convert.as';
