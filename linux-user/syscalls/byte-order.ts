// What big-endian guests keep in another order where no structure of ours describes it: socket addresses, options, control messages.

const AF_INET6 = 10;
const AF_NETLINK = 16;
const AF_PACKET = 17;
const AF_VSOCK = 40;

const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_TCP = 6;
const SOL_UDP = 17;
const SOL_IPV6 = 41;
const SOL_PACKET = 263;
const SOL_NETLINK = 270;

/** Numbers of the host's order within bytes of another: offset and size of each. */
type Places = readonly (readonly [offset: number, size: 2 | 4 | 8])[];

function swap(bytes: Uint8Array, at: number, places: Places, length: number): void {
  for (const [offset, size] of places) {
    if (offset + size <= length) bytes.subarray(at + offset, at + offset + size).reverse();
  }
}

/** Behind the family, by family; what the network sees is big-endian everywhere. */
const ADDRESSES: Readonly<Record<number, Places>> = {
  [AF_INET6]: [[24, 4]],
  [AF_NETLINK]: [
    [4, 4],
    [8, 4],
  ],
  [AF_PACKET]: [
    [4, 4],
    [8, 2],
  ],
  [AF_VSOCK]: [
    [4, 4],
    [8, 4],
  ],
};

/** Turns a socket address of `length` bytes at `at` from one order to the other, in place. */
export function swapAddress(bytes: Uint8Array, at: number, length: number, toHost: boolean): void {
  if (length < 2) return;
  const family = toHost ? (bytes[at]! << 8) | bytes[at + 1]! : bytes[at]! | (bytes[at + 1]! << 8);
  swap(bytes, at, [[0, 2], ...(ADDRESSES[family] ?? [])], length);
}

/** Values that are not words of 32 bits, by level and name. */
const OPTIONS: Readonly<Record<string, Places>> = {
  // struct ip_mreqn: two addresses, an interface
  [`${SOL_IP} 32`]: [[8, 4]],
  [`${SOL_IP} 35`]: [[8, 4]],
  [`${SOL_IP} 36`]: [[8, 4]],
  // three addresses
  ...Object.fromEntries([37, 38, 39, 40].map((name) => [`${SOL_IP} ${name}`, []])),
  // struct ip_msfilter: two addresses, mode and number, addresses
  [`${SOL_IP} 41`]: [
    [8, 4],
    [12, 4],
  ],
  // an address of 16 bytes and an interface
  [`${SOL_IPV6} 20`]: [[16, 4]],
  [`${SOL_IPV6} 21`]: [[16, 4]],
  [`${SOL_IPV6} 50`]: [[16, 4]],
  // texts
  [`${SOL_SOCKET} 25`]: [],
  [`${SOL_TCP} 13`]: [],
  [`${SOL_TCP} 31`]: [],
  // 64 bits
  [`${SOL_SOCKET} 57`]: [[0, 8]],
  [`${SOL_SOCKET} 66`]: [
    [0, 8],
    [8, 8],
  ],
  [`${SOL_SOCKET} 67`]: [
    [0, 8],
    [8, 8],
  ],
};
const SO_MAX_PACING_RATE = 47;
const WORD_LEVELS = new Set([SOL_IP, SOL_SOCKET, SOL_TCP, SOL_UDP, SOL_IPV6, SOL_PACKET, SOL_NETLINK]);

function words(from: number, length: number): Places {
  return Array.from({ length: Math.floor((length - from) / 4) }, (_, i) => [from + 4 * i, 4] as const);
}

/** Turns the value of a socket option, in place: words of 32 bits, unless it is known to be something else. */
export function swapOption(bytes: Uint8Array, at: number, length: number, level: number, name: number): void {
  if (!WORD_LEVELS.has(level)) return;
  const wide = level === SOL_SOCKET && name === SO_MAX_PACING_RATE && length === 8;
  swap(bytes, at, wide ? [[0, 8]] : (OPTIONS[`${level} ${name}`] ?? words(0, length)), length);
}

/** Data of control messages that is not words of 32 bits, by level and type. */
const ERROR: Places = [
  [0, 4],
  [8, 4],
  [12, 4],
];
const CONTROLS: Readonly<Record<string, Places>> = {
  [`${SOL_IP} 8`]: [[0, 4]], // IP_PKTINFO: an interface, two addresses
  [`${SOL_IPV6} 50`]: [[16, 4]], // IPV6_PKTINFO: an address, an interface
  [`${SOL_IP} 20`]: [], // IP_RECVORIGDSTADDR: a socket address
  [`${SOL_IP} 11`]: ERROR, // IP_RECVERR: struct sock_extended_err, a socket address
  [`${SOL_IPV6} 25`]: ERROR, // IPV6_RECVERR
  [`${SOL_UDP} 103`]: [[0, 2]], // UDP_SEGMENT
};
/** Where in it a socket address stands. */
const CONTROL_ADDRESSES: Readonly<Record<string, number>> = {
  [`${SOL_IP} 20`]: 0,
  [`${SOL_IP} 11`]: 16,
  [`${SOL_IPV6} 25`]: 16,
};
/** SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_NEW: pairs of 64 bits. */
const NEW_TIMES = new Set([63, 64, 65]);

/** Turns the data of a control message, in place. */
export function swapControl(bytes: Uint8Array, at: number, length: number, level: number, type: number): void {
  if (!WORD_LEVELS.has(level)) return;
  const key = `${level} ${type}`;
  const isTime = level === SOL_SOCKET && NEW_TIMES.has(type);
  const places = isTime
    ? Array.from({ length: length >>> 3 }, (_, i) => [8 * i, 8] as const)
    : (CONTROLS[key] ?? words(0, length));
  swap(bytes, at, places, length);
  const address = CONTROL_ADDRESSES[key];
  if (address !== undefined) swapAddress(bytes, at + address, length - address, false);
}
