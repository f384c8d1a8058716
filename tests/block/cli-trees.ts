// Command lines for comparing wemu-img with qemu-img: values of the wrong type in JSON, lists of objects, names of nodes, special files,
// and what a command makes of options that do not matter to it.
import type { CliCase } from './cli-cases.ts';

const IMAGES = ['img create -q -f qcow2 a 1M', 'img create -q -f qcow2 -b a -F qcow2 o', 'img create -q -f raw r 1M'];

const FILE = '"file":{"driver":"file","filename":"a"}';

/** An image as JSON with one option more. */
const withOption = (text: string): string => `img info 'json:{"driver":"qcow2",${FILE},${text}}'`;

const list = (text: string): string => `img info --image-opts '${text}'`;

/** Sixteen bytes of 9, and a key of 32 bytes of 7. */
const IV = 'iv=CQkJCQkJCQkJCQkJCQkJCQ==';
const KEY = 'secret,id=k,format=base64,data=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=';

/** Data alone are the 16 bytes of a cipher in base64. */
const padded = (text: string): string =>
  text.includes('=') && !/^[\w/+]{22}==$/.test(text) ? text : `format=base64,${IV},data=${text}`;

export const TREE_CASES: CliCase[] = [
  {
    name: 'JSON: values of the wrong type',
    run: [
      ...IMAGES,
      ...['backing', 'foo', 'detect-zeroes', 'read-only', 'cache-size', 'node-name', 'cache'].flatMap((key) =>
        ['null', 'true', '[]', '[[]]', '9223372036854775808', '123456789012345678901'].map((value) =>
          withOption(`"${key}":${value}`),
        ),
      ),
      withOption('"overlap-check":false'),
      withOption('"cache.direct":null'),
      'img info \'json:{"driver":"qcow2","file":[1]}\'',
      'img info \'json:{"driver":"qcow2","file":{"driver":"file","filename":true}}\'',
      'img info \'json:{"driver":"qcow2","file":{"driver":null,"filename":"a"}}\'',
      'img info \'json:{"driver":"qcow2","file":{"driver":"file","filename":"a","locking":true,"aio":null}}\'',
      'img info \'json:{"driver":"qcow2","file":{"driver":"file","filename":"a","aio":true}}\'',
    ],
  },
  {
    name: 'JSON: what is none',
    run: [
      ...[
        '{"a":01}',
        '{"a":1.}',
        '{"a":1e}',
        '{"a":.5}',
        '{"a":-}',
        '{"a":--1}',
        '{"a":1.5.5}',
        '{"a":"b',
        '{"a":"b\\',
      ],
      ...['{"a":TRUE}', '{"a":tRue}', '{"a":1x}', '{"driver":"qcow2",}', '{,}', '{1:2}', '{"a":"\\q"}', '{"a":@} %'],
      ...[
        '{"a":"\\u12"}',
        '{"a":"\\ud800"}',
        '{"a":"\\udc00"}',
        '{"a":"\\ud800\\u0041"}',
        '{"a":"\\ud83d\\ude00"}',
        'é',
      ],
    ].map((text) => `img info 'json:${text}'`),
  },
  {
    name: 'objects: lists, keys, numbers',
    run: [
      'img create -q -f raw r 1M',
      ...['secret,id', 'secret,,id=s', ',id=s', '=x', 'secret,id=s,foo', 'secret,id=s,nodata', 'secret,id=s,1a=x'],
      ...['secret,id=s,a..b=x', 'secret,id=s,a.b=x', 'secret,id=s,data=x,data.b=x', 'secret,id=s,data.0=x'],
      ...['secret,id=s,?,x', 'help,x', 'secret,id=s,help', 'secret,id=s,data=x,,y', 'secret,id.x=s,data=y'],
      ...['throttle-group,id=t,limits.bps-total=-1', 'throttle-group,id=t,x-bps-total=-1'],
      ...['throttle-group,id=t,limits.iops-total.x=1', '{"qom-type":["x"]}'],
      '{"qom-type":"throttle-group","id":"t","x-iops-total":1.5}',
    ].map((text, i) => (i === 0 ? text : `img check -f raw --object '${text}' r`)),
  },
  {
    name: 'lists of image options',
    run: [
      ...IMAGES,
      ...['id=x', 'id=', 'id=1'].map((id) => list(`driver=qcow2,file.filename=a,${id}`)),
      list('file.file.filename=a'),
      'img map --image-opts driver=qcow2,file.filename=o,backing=x',
      'img map --image-opts driver=qcow2,file.filename=o,backing.file.filename=r',
      list('driver=qcow2,file.filename=a,refcount-cache-size=256T'),
      list('driver=qcow2,file.filename=a,l2-cache-size=1E'),
      list('driver=qcow2,file.filename=a,cache-size=1E,refcount-cache-size=1M'),
      list('driver=qcow2,file.filename=a,cache-size=256T'),
      'img info -f preallocate a',
      'img info -f blkdebug a',
      'img info -f null-aio a',
      'img create -f qcow2 -o data_file=blkdebug::a n 64k',
      'img create -f qcow2 -o data_file=host_device:a n 64k',
      'img create -f qcow2 -o data_file=/dev/null n 64k',
      'img create -f host_device none 64k',
      'img create -f host_device a 64k',
      'img create -f raw host_device:a 64k',
      'img check a',
      'img info /proc/cpuinfo',
      'img create -f qcow2 /proc/version 64k',
      'img convert -O raw /proc/cpuinfo n',
    ],
  },
  {
    name: 'options that do not matter, and numbers at the edge',
    run: [
      'img create -f qcow2 -o id=1x a 1M',
      'img create -f raw -o preallocation=foo r 1M',
      'img create -f raw r 1M',
      ...[
        'compat=x,preallocation=y',
        'compat=x,cluster_size=5',
        'refcount_bits=5,preallocation=x',
        'id=x',
        'compression_type=x',
      ],
      ...[
        'compat=0.10,refcount_bits=1',
        'compat=0.10,extended_l2=on',
        'extended_l2=on,cluster_size=4k',
        'data_file_raw=on',
      ],
      ...[
        'backing_file=x,preallocation=full',
        'encryption=on',
        'encrypt.format=luks',
        'cluster_size=2M',
        'backing_fmt=foo',
      ],
    ].map((text) => (text.startsWith('img') ? text : `img measure --size 1M -O qcow2 -o ${text}`)),
  },
  {
    name: 'numbers and words that end where they should not',
    run: [
      'img create -q -f qcow2 a 1M',
      'img map a -s 0x1k',
      'img convert a n -S 0x1k',
      'img convert a n -S 9223372036854775807',
      "img convert a n -m '1 '",
      'img convert a n -m 0b1',
      'img convert a n -m 0x2',
      'img convert a n -r 1',
      'img convert a n -l snapshot.id=1,help',
      'img measure a --size=9223372036854775807',
      'img bitmap a b -g 9223372036854775807',
      'img bench -c 2 a -o 7E',
      'img amend -p -o foo=1 none',
      'img amend -p -o foo=1 a',
      'img amend -p -o help a',
      'img amend -p -q -o foo=1 a',
    ],
  },
  {
    name: 'check: what is wrong is told before it is repaired',
    run: [
      'img create -q -f qcow2 a 1M',
      "io -c 'w 0 128k' a",
      "cp a b; printf '\\000\\002' | dd of=b bs=1 seek=131082 conv=notrunc status=none",
      'cp b c; img check -r leaks c',
      'cp b c; img check -r all --output=json c',
      "printf '\\000\\000' | dd of=b bs=1 seek=131084 conv=notrunc status=none",
      'cp b c; img check -r leaks c',
      'img check c',
      'img create -q -f raw e 0 && img map --output=json -f raw -s 64k e',
    ],
  },
  {
    name: 'objects: which of several mistakes is told',
    run: [
      'img create -q -f raw r 1M',
      ...['secret,id=s,format=x,foo=1', 'secret,id=s,foo=1,format=x,iv.x=1', 'secret,id=s,data=%,format=base64'],
      ...['secret,id=s,file=r,format=base64', 'throttle-group,id=t,x-bps-total=x,x-iops-total=1.5'],
      ...['throttle-group,id=t,x-bps-total=x,limits=x', 'throttle-group,id=t,x-bps-total=1k,limits.foo=1'],
      ...['throttle-group,id=t,x-bps-read=x,x-bps-total=x', 'throttle-group,id=t,x-iops-total=1.5,limits.bps-total=x'],
      ...['throttle-group,id=t,x-bps-total-max=500,limits.iops-total-max-length=0'],
      ...['throttle-group,id=t,x-bps-total-max=2000,limits.bps-read=1000000000000001'],
      ...['throttle-group,id=t,limits.iops-total-max-length=0,limits.bps-read=1000000000000001'],
    ].map((text, i) => (i === 0 ? text : `img info -f raw --object '${text}' r`)),
  },
  {
    name: 'secrets that are encrypted',
    run: [
      'img create -q -f raw r 1M',
      ...[
        `format=base64,${IV},data=8M6ybS9236/Kv2RAf/0mMw==`,
        `format=raw,${IV},data=8M6ybS9236/Kv2RAf/0mMw==`,
        `${IV},data=xxxxxxxxxxxxxxxx`,
        `${IV},data=x`,
        `${IV},data=`,
        `${IV},format=base64,data=%`,
        `${IV},format=base64,data=eA==`,
        // Padding of 200, 16, 0 and 5.
        ...[
          'GecMUby4HzvO3pUbW8ARWQ==',
          'gIs4fT1UHgNrMpLGSCkgOQ==',
          'B7n4IvUy3F/eYM/3c8GT0A==',
          'ZDf8dd/2M07m+clSsguLRQ==',
        ],
        'format=base64,data=eA==',
        ...['eA==', '%', ''].map((iv) => `format=base64,iv=${iv},data=eA==`),
      ].map((text) => `img info -f raw --object ${KEY} --object 'secret,id=s,keyid=k,${padded(text)}' r`),
      `img info -f raw --object ${KEY} --object secret,id=s,keyid=s,data=x r`,
      `img info -f raw --object throttle-group,id=k --object secret,id=s,keyid=k,data=x r`,
      `img info -f raw --object secret,id=k,data=abcdefghabcdefghabcdefghabcdefgh --object secret,id=s,keyid=k,${IV},data=x r`,
      ...['eA=', 'eA==', 'eA\\n==', 'e A==', 'eA==\\r\\n', 'eHh4eHh', '=eA='].flatMap((text) => [
        `printf '${text}' >b64`,
        'img info -f raw --object secret,id=s,format=base64,file=b64 r',
        // How long it is shows by its use as a key.
        'img info -f raw --object secret,id=k,format=base64,file=b64 --object secret,id=s,keyid=k,data=x r',
      ]),
    ],
  },
  {
    name: 'options of nodes: which of several mistakes is told',
    run: [
      ...IMAGES,
      ...['"node-name":"1","detect-zeroes":"unmap"', '"node-name":5,"read-only":1', '"file.filename":"r"'].map(
        withOption,
      ),
      ...['"cache-size":-1,"lazy-refcounts":"x"', '"cache-size":true,"encrypt":{"format":"luks"}'].map(withOption),
      ...[
        'cache-size=x,refcount-cache-size=x',
        'cache-size=x,overlap-check=foo',
        'l2-cache-entry-size=3,encrypt.format=x',
      ],
      ...['refcount-cache-size=x,lazy-refcounts=x', 'l2-cache-entry-size=128k,cache-clean-interval=x'],
      ...['overlap-check.main-header=x,cache-size=x', 'cache-size=64k,l2-cache-size=1M,l2-cache-entry-size=3'],
      ...['detect-zeroes=x,driver=foo', 'force-share=x,driver=', 'cache.direct=x,driver=foo', 'node-name=1,driver=foo'],
    ].map((line) => (line.startsWith('img') ? line : list(`driver=qcow2,file.filename=a,${line}`))),
  },
  {
    name: 'commas in options are no end of them',
    run: ['img create -f raw -o size=1M,,? n', 'img create -f raw -o size=1M,? n', 'img create -f raw -o ?,,size=1M n'],
  },
];
