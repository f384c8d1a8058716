// Entry of the vector helper module: what is exported here is what ../simd-table.ts lists (AssemblyScript).

export * from './3dnow.as';
export * from './aes.as';
export * from './gfni.as';
export * from './integer.as';
export * from './sha.as';
export * from './string.as';
