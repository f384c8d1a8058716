// Lists of options inside one word of a command line (-o, --image-opts, --object, json:), of which pairs.ts tries every two items.

/** A line: `before`, one or two items after it, with commas, `after`. */
export interface PairList {
  before: string;
  items: readonly string[];
  after: string;
}

const each = (name: string, ...values: string[]): string[] => values.map((value) => `${name}=${value}`);

const CREATE = [
  ...each('size', '2M', 'x', '-1', '1.5k', ''),
  ...each('compat', '0.10', '1.1', 'v2', 'x', ''),
  ...each('cluster_size', '512', '4k', '2M', '4M', '3000', 'x', '0', '-4k'),
  ...each('preallocation', 'off', 'metadata', 'falloc', 'full', 'x', ''),
  ...each('lazy_refcounts', 'on', 'off', 'x', ''),
  ...each('refcount_bits', '1', '64', '128', '0', 'x', '3'),
  ...each('extended_l2', 'on', 'x'),
  ...each('compression_type', 'zlib', 'zstd', 'x'),
  ...each('backing_file', 'a', 'none', '', 'n'),
  ...each('backing_fmt', 'qcow2', 'raw', 'foo', ''),
  ...each('data_file', 'dn', '', 'no/dn', 'n'),
  ...each('data_file_raw', 'on', 'off', 'x'),
  ...each('encryption', 'on', 'off', 'x'),
  ...each('encrypt.format', 'luks', 'aes', 'x'),
  ...['encrypt.key-secret=s', 'encrypt.iter-time=x', 'encrypt.foo=1', 'nocow=on', 'nocow=x', 'extent_size_hint=1M'],
  ...[
    'extent_size_hint=x',
    'foo=1',
    'foo',
    'help',
    '?',
    '',
    'nolazy_refcounts',
    'lazy_refcounts',
    '=x',
    'id=x',
    'Size=1M',
  ],
];

const OPEN = [
  ...each('cache-size', '1M', 'x', '0', '64k'),
  ...each('l2-cache-size', '1M', '64', '0', 'x', '2M'),
  ...each('refcount-cache-size', '256k', '0', 'x', '2M'),
  ...each('l2-cache-entry-size', '4k', '3', '128k', 'x'),
  ...each('cache-clean-interval', '5', 'x', '4294967296', '-1'),
  ...each('lazy-refcounts', 'on', 'x'),
  ...each('pass-discard-request', 'on', 'x'),
  ...each('discard', 'unmap', 'ignore', 'foo'),
  ...each('detect-zeroes', 'on', 'unmap', 'x'),
  ...each('read-only', 'on', 'off', 'x'),
  ...['auto-read-only=on', 'auto-read-only=x', 'force-share=on', 'force-share=x'],
  ...each('cache.direct', 'on', 'off', 'x'),
  ...['cache.no-flush=on', 'cache.no-flush=x', 'cache.writeback=off', 'cache=none'],
  ...each('overlap-check', 'all', 'none', 'foo'),
  ...[
    'overlap-check.template=none',
    'overlap-check.template=foo',
    'overlap-check.main-header=on',
    'overlap-check.foo=on',
  ],
  ...['backing=', 'backing=x', 'backing.driver=raw', 'backing.file.filename=r', 'backing.foo=1', 'backing.driver=foo'],
  ...['data-file=x', 'data-file.filename=r', 'encrypt.format=luks', 'encrypt.format=foo', 'encrypt.key-secret=s'],
  ...each('node-name', 'n', '1', '#x', ''),
  ...[
    'file=x',
    'file.driver=file',
    'file.driver=foo',
    'file.locking=on',
    'file.locking=x',
    'file.aio=native',
    'file.aio=x',
  ],
  ...[
    'file.foo=1',
    'file.filename=r',
    'file.filename=none',
    'driver=raw',
    'driver=',
    'driver=foo',
    'foo=1',
    'foo',
    '=',
    '',
  ],
  ...['read-only', 'noread-only', 'help', 'filename=a', 'size=1M', 'offset=512', 'id=x'],
];

const JSON_ITEMS = [
  ...[
    '"driver":"raw"',
    '"driver":null',
    '"driver":"foo"',
    '"driver":1',
    '"node-name":"n"',
    '"node-name":"1"',
    '"node-name":5',
  ],
  ...[
    '"read-only":true',
    '"read-only":"on"',
    '"read-only":1',
    '"read-only":null',
    '"cache-size":1048576',
    '"cache-size":"1M"',
  ],
  ...[
    '"cache-size":-1',
    '"cache-size":1.5',
    '"cache-size":true',
    '"cache":{"direct":true}',
    '"cache":{"foo":1}',
    '"cache":5',
  ],
  ...[
    '"cache.direct":false',
    '"backing":null',
    '"backing":"x"',
    '"backing":{"driver":"null-co"}',
    '"backing":{}',
    '"foo":1',
  ],
  ...['"discard":"unmap"', '"discard":"x"', '"discard":true', '"detect-zeroes":"unmap"', '"file":{"driver":"null-co"}'],
  ...[
    '"file":"x"',
    '"file":null',
    '"file.filename":"r"',
    '"overlap-check":"all"',
    '"overlap-check":{"template":"none"}',
  ],
  ...[
    '"lazy-refcounts":"x"',
    '"encrypt":{"format":"luks"}',
    '"data-file":null',
    '"data-file":{"driver":"null-co"}',
    '"":1',
  ],
];

const GROUP = [
  ...each('x-bps-total', '1000', '-1', 'x', '0', '1k'),
  ...each('x-iops-total', '10', '0x10', '1.5'),
  ...each('x-bps-read', '5', 'x'),
  ...each('x-iops-size', '4096', '-5'),
  ...each('x-bps-total-max', '500', '2000'),
  ...each('x-bps-total-max-length', '0', '1', '5'),
  ...each('limits.bps-total', '1000', 'x', '-1'),
  ...each('limits.iops-total', '10', '0'),
  ...[
    'limits.iops-total-max=5',
    'limits.iops-total-max-length=0',
    'limits.foo=1',
    'limits=x',
    'foo=1',
    'foo',
    'id=u',
    'id=1',
  ],
  ...['help', '', 'x-bps-write=9223372036854775808', 'limits.bps-read=1000000000000001', 'qom-type=secret'],
];

const SECRET = [
  ...['data=x', 'data=', 'data=eA==', 'data=%', 'file=r', 'file=none', 'format=raw', 'format=base64', 'format=x'],
  ...['keyid=k', 'keyid=', 'iv=x', 'iv=AAAAAAAAAAAAAAAAAAAAAA==', 'foo=1', 'data', 'loaded=on', 'id=t', 'qom-type=x'],
];

/** The lists, by the name they are asked for. */
export const PAIR_LISTS: Readonly<Record<string, PairList>> = {
  'create -o': { before: 'create -f qcow2 -o size=1M', items: CREATE, after: ' n' },
  'convert -o': { before: 'convert -O qcow2 -o lazy_refcounts=off', items: CREATE, after: ' s n' },
  'create -o raw': {
    before: 'create -f raw -o size=1M',
    items: CREATE.filter((item) => /^(size|prealloc|backing_file|nocow|extent|foo|help|\?|$|=)/.test(item)),
    after: ' n',
  },
  'measure -o': { before: 'measure -O qcow2 -o lazy_refcounts=off', items: CREATE, after: ' s' },
  'amend -o': { before: 'amend -o lazy_refcounts=off', items: CREATE, after: ' v2' },
  'info --image-opts': { before: 'info --image-opts driver=qcow2,file.filename=a', items: OPEN, after: '' },
  'map --image-opts': { before: 'map --output=json --image-opts driver=qcow2,file.filename=o', items: OPEN, after: '' },
  'resize --image-opts': { before: 'resize --image-opts driver=qcow2,file.filename=a', items: OPEN, after: ' 2M' },
  'info json:': {
    before: 'info json:{"driver":"qcow2","file":{"driver":"file","filename":"a"}',
    items: JSON_ITEMS,
    after: '}',
  },
  'throttle-group': { before: 'info -f raw --object throttle-group,id=t', items: GROUP, after: ' r' },
  secret: { before: 'info -f raw --object secret,id=s', items: SECRET, after: ' r' },
};
