// The argument of -cpu: a model's name, features added and taken away, other properties; with QEMU's rules and messages.
import { UserError } from '../../src/util/errors.ts';
import {
  availableWords,
  describePlace,
  developmentWords,
  FEATURE_WORDS,
  FeatureWord,
  featureTable,
  findFeature,
} from './features.ts';
import { developmentModel, modelIndex, X86_MODELS, type X86Model } from './models.ts';

/** What an option selects. */
export interface Selection {
  /** See modelAt. */
  readonly index: number;
  readonly warnings: readonly string[];
}

/** Numeric properties and their highest values. */
const NUMBERS: Record<string, number> = { family: 270, model: 255, stepping: 15 };
/** Properties of 32 bits. */
const LEVELS = ['level', 'xlevel', 'min-level', 'min-xlevel'];
const FLAGS = ['check', 'enforce'];
const YES = ['on', 'yes', 'true', 'y'];
const NO = ['off', 'no', 'false', 'n'];

const XSAVE = 1 << 26;
const DEVELOPMENT = 'development';

class Parser {
  readonly warnings: string[] = [];
  private readonly words: number[];
  private readonly properties = new Map<string, string | number | boolean>();
  /** Feature names set by `name=on` and `name=off`, `+name`, `-name`. */
  private readonly assigned = new Map<string, boolean>();
  private readonly plus: string[] = [];
  private readonly minus: string[] = [];
  /** Bits asked for by name: these are reported where they do not execute. */
  private readonly model: X86Model;
  private readonly name: string;

  constructor(option: string) {
    const [name, ...settings] = option.split(',') as [string, ...string[]];
    const found =
      name === DEVELOPMENT
        ? developmentModel()
        : X86_MODELS.find((model) => model.name === name || `${model.name}-v1` === name);
    if (!found) throw new UserError(`unable to find CPU model '${name}'`, 1);
    this.model = found;
    this.name = name;
    this.words = [...found.words];
    for (const setting of settings) if (setting !== '') this.setting(setting);
    this.apply();
  }

  private get type(): string {
    return `${this.name}-i386-cpu`;
  }

  private setting(setting: string): void {
    if (setting[0] === '+' || setting[0] === '-') {
      (setting[0] === '+' ? this.plus : this.minus).push(setting.slice(1));
      return;
    }
    const equals = setting.indexOf('=');
    const name = (equals < 0 ? setting : setting.slice(0, equals)).replaceAll('_', '-');
    const value = equals < 0 ? 'on' : setting.slice(equals + 1);
    const refuse = (why: string): never => {
      throw new UserError(`can't apply global ${this.type}.${name}=${value}: ${why}`, 1);
    };
    if (name in NUMBERS || LEVELS.includes(name)) {
      this.properties.set(name, this.number(name, value, refuse));
    } else if (name === 'vendor') {
      if (value.length !== 12) refuse(`Property '.vendor' doesn't take value '${value}'`);
      this.properties.set(name, value);
    } else if (name === 'model-id') {
      this.properties.set(name, value);
    } else {
      const feature = findFeature(name);
      if (!feature && !FLAGS.includes(name)) refuse(`Property '${this.type}.${name}' not found`);
      if (!YES.includes(value) && !NO.includes(value)) refuse(`Parameter '${name}' expects 'on' or 'off'`);
      if (feature) this.assigned.set(feature.name, YES.includes(value));
      else this.properties.set(name, YES.includes(value));
    }
  }

  private number(name: string, text: string, refuse: (why: string) => never): number {
    const value = /^-?(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text.replace(/^-/, '')) : Number.NaN;
    const signed = text.startsWith('-') ? -value : value;
    if (name in NUMBERS) {
      const highest = NUMBERS[name]!;
      if (Number.isNaN(signed)) refuse(`Parameter '${name}' expects int64`);
      if (signed < 0 || signed > highest) {
        refuse(`Property .${name} doesn't take value ${signed} (minimum: 0, maximum: ${highest})`);
      }
    } else {
      if (Number.isNaN(signed)) refuse(`Parameter '${name}' expects uint64`);
      if (signed < 0 || signed > 0xffffffff) refuse(`Parameter '${name}' expects uint32_t`);
    }
    return signed;
  }

  /** Sets or clears a feature; one that does not exist is an error. */
  private feature(name: string, on: boolean): void {
    const feature = findFeature(name);
    if (!feature) throw new UserError(`Property '${this.type}.${name}' not found`, 1);
    if (on) this.words[feature.word]! |= 1 << feature.bit;
    else this.words[feature.word]! &= ~(1 << feature.bit);
  }

  private apply(): void {
    for (const [name, on] of this.assigned) this.feature(name, on);
    for (const name of this.plus) this.warnOfBoth('+', name, false);
    for (const name of this.minus) this.warnOfBoth('-', name, true);
    for (const name of this.plus) this.feature(name, true);
    for (const name of this.minus) this.feature(name, false);
    const { properties } = this;
    const available = availableWords();
    const check = properties.get('check') ?? true;
    const enforce = properties.get('enforce') ?? false;
    let missing = false;
    const seen = new Set<string>();
    for (const feature of featureTable().values()) {
      const { word, bit } = feature;
      if (
        this.name === DEVELOPMENT ||
        feature.available ||
        !((this.words[word]! >>> bit) & 1) ||
        seen.has(feature.name)
      )
        continue;
      seen.add(feature.name);
      missing = true;
      if (check || enforce) this.warnings.push(`wemu doesn't support requested feature: ${describePlace(feature)}`);
    }
    if (missing && enforce) {
      throw new UserError(`wemu doesn't support requested features (${[...seen].join(', ')})`, 1);
    }
    const masks = this.name === DEVELOPMENT ? developmentWords() : available;
    masks.forEach((mask, word) => {
      this.words[word]! &= mask;
    });
  }

  private warnOfBoth(sign: string, name: string, value: boolean): void {
    const feature = findFeature(name);
    if (!feature || this.assigned.get(feature.name) !== value) return;
    const other = value ? 'on' : 'off';
    this.warnings.push(`Ambiguous CPU model string. Don't mix both "${sign}${name}" and "${name}=${other}"`);
  }

  /** The model with everything applied. */
  get result(): X86Model {
    const { model, properties, words } = this;
    const number = (name: string) => properties.get(name) as number | undefined;
    let level = Math.max(model.level, number('min-level') ?? 0);
    if (words[FeatureWord.Ebx7]! | words[FeatureWord.Ecx7]! | words[FeatureWord.Edx7]!) level = Math.max(level, 7);
    if (words[FeatureWord.Eax6]) level = Math.max(level, 6);
    if (words[FeatureWord.Ecx1]! & XSAVE) level = Math.max(level, 0xd);
    let xlevel = Math.max(model.xlevel, number('min-xlevel') ?? 0);
    FEATURE_WORDS.forEach(({ leaf }, word) => {
      if (leaf >= 0x80000000 && words[word] !== 0) xlevel = Math.max(xlevel, leaf);
    });
    const vendor = (properties.get('vendor') as string | undefined) ?? model.vendor;
    return {
      name: model.name,
      text: model.text,
      vendor,
      signature: signature(model.signature, number('family'), number('model'), number('stepping')),
      level: number('level') ?? level,
      xlevel: number('xlevel') ?? xlevel,
      words,
      brand: (properties.get('model-id') as string | undefined) ?? model.brand,
    };
  }
}

/** Leaf 1 EAX with some of family, model and stepping replaced (SDM volume 2, CPUID, figure 3-6). */
function signature(before: number, family?: number, model?: number, stepping?: number): number {
  let value = before;
  if (family !== undefined) {
    const base = Math.min(family, 15);
    value = (value & ~0x0ff00f00) | (base << 8) | ((family - base) << 20);
  }
  if (model !== undefined) value = (value & ~0xf00f0) | ((model & 15) << 4) | ((model >> 4) << 16);
  if (stepping !== undefined) value = (value & ~15) | stepping;
  return value;
}

const selections = new Map<string, Selection>();

/**
 * The model an argument of -cpu selects; '' is the default model.
 * @throws UserError for unknown models, features and properties, in QEMU's words and with its exit status.
 */
export function selectModel(option: string): Selection {
  const text = option === '' ? X86_MODELS[0]!.name : option;
  let selection = selections.get(text);
  if (!selection) {
    // The default needs no parsing: everything it has executes.
    const parser = text === X86_MODELS[0]!.name ? null : new Parser(text);
    selection = { index: modelIndex(parser?.result ?? X86_MODELS[0]!), warnings: parser?.warnings ?? [] };
    selections.set(text, selection);
  }
  return selection;
}

/** What -cpu help prints. */
export function modelHelp(): string {
  const models = X86_MODELS.map(({ name, text }) => `x86 ${name.padEnd(20)}  ${text}\n`);
  const names = [...new Set([...featureTable().values()].filter((f) => f.available).map((f) => f.name))].sort();
  const lines: string[] = [];
  let line = ' ';
  for (const name of names) {
    if (line.length + 1 + name.length >= 77) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${name}`;
  }
  lines.push(line);
  return `Available CPUs:\n${models.join('')}\nRecognized CPUID flags:\n${lines.join('\n')}\n`;
}
