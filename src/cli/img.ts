// wemu-img: the table of its commands.
import { start } from './img/run.ts';

start({
  amend: async () => (await import('./img/amend.ts')).amend,
  bench: async () => (await import('./img/bench.ts')).bench,
  bitmap: async () => (await import('./img/bitmap.ts')).bitmap,
  check: async () => (await import('./img/check.ts')).check,
  commit: async () => (await import('./img/commit.ts')).commit,
  compare: async () => (await import('./img/compare.ts')).compare,
  convert: async () => (await import('./img/convert.ts')).convert,
  create: async () => (await import('./img/create.ts')).create,
  dd: async () => (await import('./img/dd.ts')).dd,
  info: async () => (await import('./img/info.ts')).info,
  map: async () => (await import('./img/map.ts')).map,
  measure: async () => (await import('./img/measure.ts')).measure,
  snapshot: async () => (await import('./img/snapshot.ts')).snapshot,
  rebase: async () => (await import('./img/rebase.ts')).rebase,
  resize: async () => (await import('./img/resize.ts')).resize,
});
