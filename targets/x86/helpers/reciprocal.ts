// RCPSS and RSQRTSS: approximations to 12 bits, as AMD's processors of family 19h give them.
//
// The manuals leave the last bits open (relative error at most 1.5 * 2^-12). The results of one processor were measured; they are a
// rounded function value, at 12 bits of the operand, plus -1, 0 or 1 units of the last place. Each letter is three of these
// corrections as digits of base 3, the first the lowest (a to z are 0 to 25, A is 26).

interface Table {
  /** Where in its interval of operands the function is taken, and what is added before rounding down. */
  readonly place: number;
  readonly bias: number;
  readonly corrections: string;
}

/** 1/m for m in [1, 2). */
const RECIPROCAL: Table = {
  place: 0.375,
  bias: 0.53125,
  corrections:
    'jnnzAcnajnemnnAAaaamnnrnwArnnnAojnnmnnonwonznnrnwnnqnennjnjzonnnwAnqnqAownnzonnbwnemaajjknebennodmmmnnwwwxiennnonn' +
    'qqqwwwwwoooooonnnnnkkkkkkonnnnqqqnnwwwnnnooneennmddvxwnkbjnnxqdnwqxkmnwqfannnnnqxqxkmnnneknnwqnqxqxnwqoneknnnnqrxq' +
    'xnnnnnnnxqonqrxqowzqxnnoxqnnjmmwwnnoxxidennqmnnwwnnnooonnqqqmnnnwkkkkkkqqqqqmmmmmmnnnnnnnnnnwnnnnnnnnkkneeedzwwnnb' +
    'mmknennnnonqwnrnwnoznnoqwonqwnrknnnnnzorzonqnnnnAwozenkembnnnmennnknjnnembnenaemAnonnennqnznwAwobnnnnnnnqnwnnznwon' +
    'zonqnnrnnnnnnnbnnbvrnwrnnnnnjzonwonejneannnnayonnbvrnneannnnnbnnnnnnnAAAnnnnnknnnnnnnnnnnnAAAonnnnnnnnnnnnnnnnnnnn' +
    'nnnnnnnnnnnzAAAonnnnnnnnnnnnamnnnnwAAnaannnnbmnnnnnnnnnnrnnnnznnnnnnnnnbnnneamnnjnwAnnnennnnnzAnnnknnennAnnnamnbjw' +
    'onAnnAnzAbmejnbjnanenAnzrnznwrnwnnonennmnnzrwrnwnnnnbnbmemqnnnnwrnrnenememqnknkwonnnjemenbnknmemenknjembnmAwrzozno' +
    'wnnnnnnenkemkznownnnmenmrwnqnmenjewnnnnnrwoqnmbnjbnnmbnmnqwnonwnoqnnoqwnnqwnonnnnnennnkemmkenwwooqnnnnnemmkbnwwnon' +
    'eenmjnnqnnnjkbednnnnknqqnnnmnnnqnnwwwnnooooqqqqzwwwwxooooorqqqqqnwwwwnnnnnnmmmnnkkkkknooooonnnnnxxwwwnnnnnnmmddddd' +
    'eenkknnnoowwwzddeenkknnnnnwnnqqnooxwwzqqibkkjmmdeekkkmmdebkkjmqqroxwwqqnoownnnnnnenkknmenoxwqqnnnnnnknmenownqnnmen' +
    'kwwqnonenkndqnownkkmdbknnknmqnownwxqqonenkmdnnenkvnnneekmekmdkndnkdnkmekmekndkndkkdkkdkxqoxqnxqnxnnwnnnnnenndkndkv' +
    'qxnqonnnnndkndkmqxnnennekmqxnnnnnekdkxqnnnmnkdkmnnnnnxqnnqnnkdkmnennnxqnnnqxnqxnnekdknndkdnnkdkwqonnnxqnnnqxnnnn',
};

/** 1/sqrt(m) for m in [1, 2). */
const ROOT_ODD: Table = {
  place: 0.78125,
  bias: 0.8125,
  corrections:
    'aajnnbaanneaamnnnnwAAonnoneaamnnnnwnnnnnAAraamnnnejnnnnennnnnnnnnnknnnnannnbamnennwrnnwonzrannnnnznnAcjnemnennnnnq' +
    'nnrnwonzonAnwrnzonAnwonznnonnnnnnennjnamknrnwnnmnbnnwonnnnnqnqnrwrwfmbnbnknnnmnnnnnnnnonnnnqnnnnnnknnnnenknmemorwo' +
    'wnqnoenknmemnrwnnnnenbnwoqnmennqwnnzwoijjenmbenmknmnnnnknnnnennnnnmnnnnkkenmbenmjnqzwoonwnonennmkqqzwnonnnnmoorzwk' +
    'kbeennnmnnqqwwwkkbeeennmmnnnnnnwwnnnooonqqqqnwwwwnnoooonnnqqnnnnneeennnmmmzzwwwwwnnnnmmmnnwwwzzeeennnqqqrrkkknnnon' +
    'wwnmmdeennknnnonwwwqqqrokkkmmmeenkknnmnennknnmnennknnmneqnxxwwnqooonnqqnnmnnnkkmeekoxzqqnnwnnkkmeekowqqnnmnnkwwqro' +
    'nennnmqnxwnnkmeeknnqnmqqxwnnnnnnnwqnxnqxwqolmekndnndnkmnknennnnnmnnnnknnnnennennmnnmnkmnkmekdekdmxqnxnnxnnnnnennmn' +
    'xqxznnnnxekdnnnnwqxqknnnnnxqxqonnnnnxqxqxennnnnnwqxqkdkmnnnnnnnqxqxqkdkdknnnnnnnnnnnmnnnnnnnnnnnnnnnnnnnnxqxqxqxqx' +
    'qxqxqxqxqxqxqxqxqnnnnnnnnnnnnnnnnnnnnndwqxqxqxqxqxnnnnnnnnxqekdnnnqxwqxnnnxnekdnnnnnwqxneknnnxnqxqnnmnnwqnxqondnnn' +
    'nnwqxkdkneknnqnnqowqxndknekdnkdnnmnnnnnxnnxqqxqqkmekmekneknnnnnnnwnnwnnxnnxnqonqowqowqnxqnxqqxnqowqowqnxnnxnqonqdn' +
    'knekmenndkkmekqqxxqnwnqonnnwnnenknekmdekmnxwqnnnnnnkmenkmoxwqonnnnnkmdnkmnowqnenknewnqnoonmennqnowwnenknnownqqekkm' +
    'mwnqnookmdennnnnwwnqnookmdennnnnwwqqnookmdennknmnwnqnnfkkmddenknmmnnnknnonnnqqnowwwqqooxxwqqeekkjmmeekkknmdennknmm' +
    'nenkknnmeennknmmneekkknmdenwnnnnnnnnennknnmmeenkkkmmmqrooxwwnqqnnonnnnnknnmmeeenxxwwnqqnnonnennkkkmmmqqnoonnnnnn',
};

/** 1/sqrt(m) for m in [2, 4). */
const ROOT_EVEN: Table = {
  place: 0.125,
  bias: 0.4375,
  corrections:
    'kkknnnnnnoonqqqqjjjjjbbbbenqqqzzwwwwwnnoooonnnnnkkkkknooooonnnnnkkkkknoonnnmmmmdnnnnnkknnnmnwwnnqqoooljmmddenkkkmm' +
    'eeekknmmdenkkjmdeebwwqqqnowwnnnnneekknmdmoxwnnnnneewwqqnnnnqnwddkkdnknnnnowqnxddkkdnkmennnnnnnqnwnnxnqonqowqnxqnxn' +
    'qxnqonqonqnnqnnnnnnneknekndkmdkdnwnnxqoennnnmdkdkwnnnqoekdknqnnnxnkdkdnonnnnqqxqxnkdknnonnnnqnnqxnkdkdkekdkdndknnw' +
    'qxqxqxqxqxqxqxqxqxqxqxqxqxqxqonnnnnnnnnnnnnnnkdkdkdkmxqonnnnnnnndkdkmxqonnnnnndwqxqonmnnnnnxqxwennnknwqxnqknekmnnn' +
    'nnowqxnqknekmennnknwqnnqoxqoweekdkkmnkdnknnkmnnneknnnnenqnxqqxnqxwqowqnxqnxnqonqnwnnnnnnnknenndnkmnxwqoxqnonqnnnnm' +
    'nkmekkqoxnqonnnmnkmdkkqnonqnenknmxwqqonknmewqqoxnnmenkqnownndekkmnnnnnqoxwqnenkkmnnnnnqoownndekkjnmenknnnnnwnqnoen' +
    'knnmnnnnnnnnwnnqnnowwnqqnoowwnqqnoowwnqqnoowwnqqnoonwnnqnnonnnnnnnnmneenkkkmmdmrooxwnnqqqnnnnnnkkknnqqqrronwwwnkkn' +
    'nnddeeennwwwnkkknnqqqqqonnnnebkkkknnnnnnmmmmmnnnnoeeeeennnnnnooxxxnnnnnwwwwwnkkkkknnnnnwwwwwnkkkkknnnnnwwwwwnkkkkk' +
    'nnnnnnnnnnnooooorrrrqnmmmmmmmmjkkkkknnneennnnnnnnnnnqqnnnwwwnnnoooonqqqqnwwwwnnoooonqqqqnwwwnnnoonnnqnnnnnnnnnmnmm' +
    'jkknoorrqqqwwwnnnoonnnnnneennmmmjkknooqqqnnwnnnnmnkkkbeemqqwwnnnnnnkkkeenqqwwwnnnnnkkbeenqqwwnnnmnkwoorqqnnnnnmmjk' +
    'bnonqnneenmmwnnonnkkeenqnwnnnmmkbnonqneeemmjnnnnnwoorqnkennnnwnoqnjbenmknnnnqwnornjkenmnnnnnqwnornjbenmkennnnnnoqw' +
    'norznbenmkenmnnnnnqwnoqwwoemjbemmkenmkennnnnnnnnnoqwnoqwnoqzwornjbemjbenmkenmkenmkenmkenmknnnnnnnnnnnnnnnnnnnnnn',
};

const SIGN = 0x80000000;
const EXPONENT = 0x7f800000;
const QUIET = 0x400000;
const INDEFINITE = 0xffc00000;
const BIAS = 127;

/** The correction number `index` of a table: -1, 0 or 1. */
function correction({ corrections }: Table, index: number): number {
  const letter = corrections.charCodeAt(Math.floor(index / 3));
  const digits = letter === 0x41 /* A */ ? 26 : letter - 0x61; /* a */
  return (Math.floor(digits / 3 ** (index % 3)) % 3) - 1;
}

/** Fraction bits of an approximation in [1/2, 1) of `f` at a significand, from the first 12 bits of its fraction. */
function approximate(table: Table, fraction: number, f: (m: number) => number, scale: number): number {
  const index = fraction >>> 11;
  const significand = scale * (1 + (index + table.place) / 4096);
  return (Math.floor(f(significand) * 8192 + table.bias) + correction(table, index) - 4096) << 11;
}

/** RCPSS of f32 bits. Denormals count as zeros; nothing is reported. */
export function reciprocal(bits: number): number {
  const sign = bits & SIGN;
  const exponent = (bits & EXPONENT) >>> 23;
  const fraction = bits & 0x7fffff;
  if (exponent === 255) return fraction !== 0 ? bits | QUIET : sign;
  if (exponent === 0) return sign | EXPONENT;
  // 1/m lies in [1/2, 1); denormal results are zeros.
  const result = 2 * BIAS - 1 - exponent;
  return result <= 0 ? sign : sign | (result << 23) | approximate(RECIPROCAL, fraction, (m) => 1 / m, 1);
}

/** RSQRTSS of f32 bits. */
export function reciprocalRoot(bits: number): number {
  const sign = bits & SIGN;
  const exponent = (bits & EXPONENT) >>> 23;
  const fraction = bits & 0x7fffff;
  if (exponent === 255 && fraction !== 0) return bits | QUIET;
  if (exponent === 0) return sign | EXPONENT;
  if (sign !== 0) return INDEFINITE | 0;
  if (exponent === 255) return 0;
  const odd = (exponent & 1) === 1;
  const half = (exponent - (odd ? BIAS : BIAS + 1)) / 2;
  const root = (m: number) => 1 / Math.sqrt(m);
  const low = odd ? approximate(ROOT_ODD, fraction, root, 1) : approximate(ROOT_EVEN, fraction, root, 2);
  return ((BIAS - 1 - half) << 23) | low;
}
