// Command lines for comparing wemu-img with qemu-img: several mistakes at once (which is told first), images that may only be
// read, external data files, and what strict comparisons want to be the same.
import type { CliCase } from './cli-cases.ts';

const CHAIN = ['img create -q -f qcow2 a 1M', 'img create -q -f qcow2 -b a -F qcow2 o 1M', 'img create -q -f raw r 1M'];

/** Image `a` as a list of options, not to be written to. */
const READ_ONLY = 'driver=qcow2,file.filename=a,read-only=on';

/** A raw data file's bytes, written past the image, must be seen through it. */
const POKE = 'printf x | dd of=e bs=1 seek=70000 conv=notrunc status=none';

export const MISTAKE_CASES: CliCase[] = [
  {
    name: 'which of several mistakes is told',
    run: [
      ...CHAIN,
      'img info --output=x',
      'img check --output=x -r x a',
      'img check -r x -z a',
      'img check -r x -r all a',
      'img check -f foo -r all -U a',
      'img map -s x -l 8E --output=x',
      'img map -l x -s x a',
      'img map -s x -z a',
      'img create -o ,, -z n 1M',
      'img create -o size=x -o foo=1 n 1M',
      'img create -f qcow2 -o lazy_refcounts=5,foo=1 n 1M',
      'img create --quiet n 1M',
      'img create -6 n 1M',
      'img create -f raw -o help null-co://',
      'img create -f host_device -o help',
      'img convert -m x -S 5 a n',
      'img convert -S 5 -C -S 4k a n',
      'img convert -C -S 4k -n -o size=1 a n',
      'img convert -c -C -S 4k a n',
      'img convert -t x -B none a n',
      'img convert -t x -O foo a n',
      'img convert -t x -l x a n',
      'img convert -T x -t x a n',
      'img convert -l snapshot.foo=1 -z a n',
      'img convert --bitmaps -O qcow2 a a n',
      'img commit -r x -z o',
      'img resize --preallocation=x --preallocation=full a 2M',
      'img resize -f foo',
      'img resize none --shrink',
      'img resize -1k',
      'img snapshot --quiet -l a',
      'img snapshot --image-opts -U a',
      'img amend -o foo=1 -o cluster_size=4k a',
      'img amend -o cluster_size=4k -o foo=1 a',
      'img amend -o cluster_size=4k a',
      'img amend -p -o foo=1 a',
      'img amend -o help a',
      'img amend -o encrypt.state=active a',
      'img amend -o encrypt.keyslot=x a',
      'img measure -o ,, --output=x a',
      'img measure --output=x --size=x --object x',
      'img measure --size=x --size=1M',
      'img bench -c x -c 1 a',
      'img bench -i x -d x a',
      'img bench -t x --pattern=x a',
      'img bitmap -g x a',
      'img bitmap --add -b a a',
      'img bitmap --remove -g 5 a',
      'img -T foo=bar info a',
      'POSIXLY_CORRECT=1 img info a -U',
      'img create -f qcow2 -o encrypt.iter-time=5 e 1M',
      'img create -f qcow2 -o encryption=on,encrypt.format=aes e 1M',
      'img create -f qcow2 -o encrypt.format=luks,cluster_size=5 e 1M',
    ],
  },
  {
    name: 'nodes that are only read',
    run: [
      ...CHAIN,
      `img check --image-opts ${READ_ONLY} -r all`,
      `img resize --image-opts ${READ_ONLY} 2M`,
      `img resize 'json:{"driver":"qcow2","file.filename":"a","read-only":true}' 2M`,
      `img amend --image-opts ${READ_ONLY} -o compat=0.10`,
      `img snapshot --image-opts ${READ_ONLY} -c x`,
      `img bitmap --image-opts --add ${READ_ONLY} x`,
      `img convert -n --target-image-opts r ${READ_ONLY}`,
      'img check --image-opts driver=qcow2,file.filename=a,file.read-only=on -r all',
      'img commit --image-opts driver=qcow2,file.filename=o,backing.read-only=on',
    ],
  },
  {
    name: 'external data files',
    run: [
      'img create -f qcow2 -o data_file=d a 1M',
      'ls -s d && wc -c d',
      'img create -f qcow2 -o data_file=e,data_file_raw=on b 1M',
      'wc -c e',
      `${POKE}; img convert -O raw b c && cmp c e`,
      ...['img resize -q a 3M', 'img resize -q --shrink a 2M', 'img amend -o size=4M a'].map((c) => `${c} && wc -c d`),
      ...['img resize -q b 3M', 'img resize -q --shrink b 2M'].map((c) => `${c} && wc -c e`),
      'img convert -O qcow2 -o data_file=f,data_file_raw=on c g && cmp c f',
      ...['metadata', 'falloc', 'full'].map(
        (mode) => `img create -q -f qcow2 -o data_file=h,preallocation=${mode} g 1M && ls -s g h`,
      ),
      'img bitmap --add g b0 && img rebase -u -b "" g && img check g',
      'rm h; img rebase -u -b "" g',
    ],
  },
  {
    name: 'bitmaps that cannot be copied, and zeroes behind a backing file',
    run: [
      'img create -q -f qcow2 a 1M',
      'img bitmap --add a b0',
      'img create -q -f raw r 1M',
      'img create -q -f qcow2 t 1M',
      'img create -q -f qcow2 t2 2M',
      'img create -q -f qcow2 -o compat=0.10 v2 1M',
      'img convert --bitmaps -n -O qcow2 r t',
      'img convert --bitmaps -n -O qcow2 a a t',
      'img convert --bitmaps -n -c -O raw a r',
      'img convert --bitmaps -n -O qcow2 a v2',
      'img convert --bitmaps -n -O qcow2 a t2',
      'img info --output=json t2',
      'img convert --bitmaps -n -O qcow2 a t',
      'img convert --bitmaps -n -O qcow2 a t',
      'img check t',
      'img create -q -f qcow2 -b a -F qcow2 o 2M',
      "io -c 'w -P 6 1536k 4k' o",
      'img convert -B a -F qcow2 -O qcow2 o z',
      'img map --output=json z',
      'img compare o z',
      // The bit that says a bitmap was in use when its image was left.
      `perl -0777 -pi -e 's/(\\x00\\x00\\x00)\\x02(\\x01\\x10\\x00\\x02\\x00{4}b0)/$1\\x03$2/g' a`,
      'img info --output=json a',
      'img convert --bitmaps -O qcow2 a n',
      'img convert --bitmaps --skip-broken-bitmaps -O qcow2 a n',
    ],
  },
  {
    name: 'compare -s: places and ends',
    run: [
      'img create -q -f qcow2 a 1M',
      "io -c 'w -P 1 0 300k' a",
      'img convert -c -O qcow2 a c',
      'img create -q -f qcow2 -b a -F qcow2 o',
      'img convert -O raw a r',
      'img create -q -f qcow2 z1 1M && qemu-io -c "w -z 0 1M" z1 >/dev/null',
      'img create -q -f qcow2 z2 1M && qemu-io -c "w 0 1M" -c "w -z 0 1M" z2 >/dev/null',
      'img create -q -f raw z3 1M',
      'img create -q -f raw -o preallocation=full z4 1M',
      ...['a c', 'a o', 'c o', 'a r', 'o r', 'z1 z2', 'z3 z4', 'z4 a'].map((pair) => `img compare -s ${pair}`),
    ],
  },
  {
    name: 'check -r: counts that are written anew',
    run: [
      ...['0 8', '8 2', '8 4'].flatMap((range, i) => {
        const [at, bytes] = range.split(' ') as [string, string];
        // The entry of the refcount table, or counts in the block.
        const poke = `dd if=/dev/zero of=c bs=1 seek=$((${i === 0 ? 0x10000 : 0x20000} + ${at})) count=${bytes} conv=notrunc`;
        return [
          'img create -q -f qcow2 c 1M',
          "io -c 'w -P 1 0 300k' c",
          `${poke} status=none`,
          'img check c',
          'img check -r leaks c',
          `img check -r all ${i === 2 ? '--output=json ' : ''}c`,
          'img check c',
        ];
      }),
      'img create -q -f qcow2 -o cluster_size=512 c 1M',
      "io -c 'w -P 1 0 300k' c",
      'dd if=/dev/zero of=c bs=1 seek=512 count=16 conv=notrunc status=none',
      'img check -r all c',
      'img create -q -f qcow2 c 1M',
      "printf '\\3' | dd of=c bs=1 seek=$((0x10007)) conv=notrunc status=none",
      'img check c',
    ],
  },
  {
    name: 'bitmap: which of several mistakes is told',
    run: [
      ...CHAIN,
      ...['-g 5', '-g 8G', '-g 64k', ''].map((o) => `img bitmap --add ${o} -f raw r n`),
      "img bitmap --add -f raw r ''",
      'img bitmap --add --add --disable a n',
      'img info --output=json a',
      'img bitmap --add --disable a m',
      'img bitmap --add --clear --disable --enable a k',
      'img info --output=json a',
    ],
  },
  {
    name: 'amend: which of several mistakes is told',
    run: [
      ...CHAIN,
      ...['refcount_bits=3,compat=0.10', 'refcount_bits=3,data_file_raw=on', 'backing_file=r,data_file=d'],
      ...['encrypt.state=active,data_file=d', 'encrypt.state=active,refcount_bits=3', 'data_file=d,data_file_raw=on'],
      ...['encrypt.state=active,compat=x', 'backing_fmt=raw,refcount_bits=3', 'compat=0.10,refcount_bits=8'],
      ...['backing_file=a', 'backing_file=a,backing_fmt=qcow2', 'backing_fmt=qcow2', 'backing_file=,backing_fmt='],
      ...['compat=0.10,backing_file=x', 'size=2M,backing_file=x', 'refcount_bits=0', 'lazy_refcounts=on,compat=0.10'],
    ].map((line) => (line.startsWith('img') ? line : `img amend -o ${line} o`)),
  },
  {
    name: 'before the command',
    run: [
      ...CHAIN,
      ...[
        '-- info a',
        '-- foo',
        '-- info',
        '-Tx -- info a',
        '-- -- info a',
        '-zV info a',
        '-T x -zV',
        '- info a',
        '-- --help',
      ],
      ...['-T -x info a', '-T ,x info a', '-T x,y=1 info a', '-T events=none info a', '--tr=x info a', '--t x info a'],
    ].map((line) => (line.startsWith('img') ? line : `img ${line}`)),
  },
  {
    name: 'names of trace events in a file',
    run: [...CHAIN, "printf 'x\\n-y\\n#no\\nz*\\n\\nlast\\n' >events", 'img -T events=events info a'],
  },
  {
    name: 'snapshots named twice',
    run: [
      ...CHAIN,
      'img snapshot -c one a',
      ...['-l -l -f foo', '-l -l -z', '-c x -z -c y', '-c x -a y', '-a x --object secret,id=s', '-lc x'].map(
        (o) => `img snapshot ${o} a`,
      ),
      ...[
        '-l snapshot.name=one -l none',
        '-l none -l snapshot.id=1',
        '-l snapshot.id=9 -l one',
        '-l none -l one',
      ].flatMap((o) => [`img measure ${o} a`, `img convert ${o} a n`]),
      "io -c 'w -P 7 0 64k' a",
      ...['snapshot.name=one a r', 'snapshot.name=one r a', 'one a r'].flatMap((rest) => [
        `img convert -f qcow2 -l ${rest} m`,
        `rm -f m && img convert -l ${rest} m && cksum m`,
      ]),
    ],
  },
  {
    name: 'devices that keep nothing, files of a few bytes',
    run: [
      'img create -q -f qcow2 a 1M',
      ...['/dev/null', '/dev/full', '/dev/zero', '-o data_file=d /dev/null', '-o preallocation=metadata /dev/null'].map(
        (rest) => `img create -f qcow2 ${rest} 1M`,
      ),
      'img convert -O qcow2 a /dev/null',
      ...['metadata', 'full'].map((mode) => `img create -f raw -o preallocation=${mode} /dev/null 1M`),
      ...['.', 'no/n'].map((name) => `img create -f raw -o preallocation=metadata ${name} 1M`),
      'img convert -o preallocation=metadata a no/n',
      ...["'QFI\\373'", "'QFI\\373\\0\\0\\0\\3'", "'QFI\\373\\0\\0\\0\\2'", 'QFI', 'abcd', "''"].flatMap((bytes) => [
        `printf ${bytes} >few`,
        'img info -f qcow2 few',
        'img info few',
      ]),
    ],
  },
  {
    name: 'bench -i native: what is told first',
    run: [
      ...CHAIN,
      ...[
        '-i native none',
        '-i native -f foo a',
        '-n --image-opts a',
        '-i native -i threads a',
        '-n -f raw null-co://',
      ],
      ...['-i native --image-opts driver=qcow2,file.filename=a,file.aio=threads', '-i native /', '-n -t none none'],
    ].map((line) => (line.startsWith('img') ? line : `img bench -c 3 ${line}`)),
  },
  {
    name: 'files with aio=native',
    run: [
      ...['none,aio=native', '/,aio=native', '/dev/null,aio=native', 'x,aio=native,aio-max-batch=x'],
      ...['x,aio=native', 'x,aio=native,cache.direct=on', 'x,aio=native,locking=x'],
    ].flatMap((list) => ['touch x', `img info --image-opts driver=file,filename=${list}`]),
  },
  {
    name: 'bench: requests beyond the end',
    run: [
      ...['-o 1000000', '-S 100000', '-d 1 -S 100000', '-d 20', '-d 1 -o 983040', '-d 1 --flush-interval=5 -S 100000'],
      ...['-d 5 --flush-interval=5 -S 100000', '-d 1 --flush-interval=5 --no-drain -S 100000'],
    ].flatMap((options) => [
      'img create -q -f raw r 1M',
      `img bench -w -c 20 -s 64k ${options} -f raw --pattern=5 r`,
      'cksum r',
    ]),
  },
  {
    name: 'limits of memory and of the size of files',
    run: [
      'img create -q -f qcow2 a 1M',
      ...['cache-size=127T', 'cache-size=128T', 'cache-size=129T', 'refcount-cache-size=32T', 'l2-cache-size=32T'].map(
        (o) => `img info --image-opts driver=qcow2,file.filename=a,${o}`,
      ),
      ...['refcount-cache-size=1M', 'l2-cache-size=1M'].map(
        (o) => `img info --image-opts driver=qcow2,file.filename=a,cache-size=32T,${o}`,
      ),
      ...['metadata', 'falloc', 'full'].flatMap((mode) => [
        'img create -q -f qcow2 b 1M',
        `ulimit -f 1000 && img resize --preallocation=${mode} b 10M`,
        `ulimit -f 1000 && img create -f qcow2 -o preallocation=${mode} n 10M`,
        `rm -f d b && ulimit -f 1000 && img create -f qcow2 -o preallocation=${mode},data_file=d b 10M`,
      ]),
    ],
  },
  {
    name: 'lines of progress before mistakes',
    run: [
      ...CHAIN,
      ...['-t foo', '-T foo', '-f foo', '-F foo', '-u'].map((o) => `img rebase -p -b a ${o} o | od -c`),
      'img rebase -p -b a none | od -c',
      ...['none', '-b foo o', 'a'].map((rest) => `img commit -p ${rest} | od -c`),
      ...['a no/n', '-O foo a n', 'none n'].map((rest) => `img convert -p ${rest} | od -c`),
      ...['a none', '-f foo a none', '-T foo a r'].map((rest) => `img compare -p ${rest} | od -c`),
      'img create -q -f qcow2 -o data_file=dd d 1M',
      'img snapshot -a none d',
    ],
  },
  {
    name: 'secrets that say whether they are loaded',
    run: [
      'img create -q -f raw r 1M',
      ...['x', 'on', 'no', 'ON', "''", 'q,foo=1', 'on,foo=1', 'on,format=x', 'on,file=x'].map(
        (value) => `img info -f raw --object secret,id=s,data=x,loaded=${value} r`,
      ),
      ...['id=1s,data=x,loaded=on', 'id=s,loaded=on', 'id=s,data=x,loaded.x=on', 'id=s,data=x,loaded'].map(
        (list) => `img info -f raw --object secret,${list} r`,
      ),
      ...['true', 'false', '"on"', '1', 'null'].map(
        (value) => `img info -f raw --object '{"qom-type":"secret","id":"s","data":"x","loaded":${value}}' r`,
      ),
    ],
  },
];
