// Entry of the helper module of floating point and Advanced SIMD: what is exported here is what ../vector-table.ts lists (AssemblyScript).

export * from './vfp.as';
