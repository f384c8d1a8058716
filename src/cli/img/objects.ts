// Objects given with --object: secrets and throttle groups, as key=value lists or JSON.
import { BlockError } from '../../block/errors.ts';
import { parseJson } from '../../block/json-options.ts';
import { checkIdentifier, hasSubtree, type OptionTree, toBool } from '../../block/options.ts';
import { createSecret, noteOtherObject, type SecretProperties } from '../../block/secret.ts';
import { createThrottleGroup, GROUP_PROPERTIES } from '../../block/throttle.ts';
import { parseKeyval } from './keyval.ts';

/** What an object type takes, as its help shows it, and how it is made. */
interface ObjectType {
  help: Record<string, string>;
  /** Properties that are no longer there to be set, and not in the help: they must be booleans all the same. */
  unwritable?: readonly string[];
  /** Names of properties that stand for a structure of this many members, each given as `name.member`. */
  structures?: Record<string, readonly string[]>;
  create: (id: string, properties: OptionTree) => void;
}

const TYPES: Record<string, ObjectType> = {
  secret: {
    unwritable: ['loaded'],
    help: { format: 'QCryptoSecretFormat', iv: 'string', keyid: 'string', data: 'string', file: 'string' },
    create: (id, properties) => {
      if (properties.has('loaded')) throw new BlockError("Property 'secret.loaded' is not writable");
      createSecret(id, Object.fromEntries(properties) as SecretProperties);
    },
  },
  'throttle-group': {
    help: {
      limits: 'ThrottleLimits',
      ...Object.fromEntries(GROUP_PROPERTIES.map((name) => [`x-${name}`, 'int'])),
    },
    structures: { limits: GROUP_PROPERTIES },
    create: (id, properties) => {
      createThrottleGroup(id, properties);
      noteOtherObject(id);
    },
  },
};

const ids = new Set<string>();

/** The help on a type, or on which there are. */
function helpOn(type: unknown): string {
  const row = Object.hasOwn(TYPES, String(type)) ? TYPES[String(type)] : undefined;
  if (!row) {
    return `List of user creatable objects:\n${Object.keys(TYPES)
      .map((name) => `  ${name}\n`)
      .join('')}`;
  }
  const rows = Object.entries(row.help).map(([name, kind]) => `  ${name}=<${kind}>\n`);
  return `${type} options:\n${rows.sort().join('')}`;
}

/** Names in the order in which they are looked at: as they are declared, unknown ones last. */
function inOrder(row: ObjectType, names: Iterable<string>): string[] {
  const declared = [...(row.unwritable ?? []), ...Object.keys(row.help)];
  const rank = (list: readonly string[], name: string): number => {
    const at = list.indexOf(name);
    return at < 0 ? list.length : at;
  };
  const place = (name: string): number => {
    const [first, member] = name.split('.') as [string, string?];
    return rank(declared, first) * 1000 + rank(row.structures?.[first] ?? [], member ?? '');
  };
  return [...names].sort((a, b) => place(a) - place(b));
}

const ENUMS: Readonly<Record<string, readonly string[]>> = { QCryptoSecretFormat: ['raw', 'base64'] };

function checkTypes(row: ObjectType, properties: OptionTree, fromJson: boolean): void {
  for (const name of inOrder(row, properties.keys())) {
    const value = properties.get(name)!;
    const [first, member, inner] = name.split('.') as [string, string?, string?];
    const structure = row.structures?.[first];
    if (inner !== undefined && structure?.includes(member!))
      throw new BlockError(`Parameters '${first}.${member}.*' are unexpected`);
    if (!structure && member !== undefined)
      throw new BlockError(
        Object.hasOwn(row.help, first) || row.unwritable?.includes(first)
          ? `Parameters '${first}.*' are unexpected`
          : `Parameter '${first}' is unexpected`,
      );
    if (structure && member === undefined)
      throw new BlockError(`Invalid parameter type for '${name}', expected: object`);
    if (row.unwritable?.includes(name)) {
      if (fromJson && typeof value !== 'boolean')
        throw new BlockError(`Invalid parameter type for '${name}', expected: boolean`);
      toBool(name, value);
      continue;
    }
    const kind = structure ? (structure.includes(member!) ? 'int' : undefined) : row.help[name];
    if (kind === undefined) throw new BlockError(`Parameter '${name}' is unexpected`);
    if (kind === 'int') {
      if (fromJson && !Number.isInteger(value))
        throw new BlockError(`Invalid parameter type for '${name}', expected: integer`);
      if (!/^\s*[-+]?(0x[0-9a-f]+|\d+)$/i.test(String(value)) || Math.abs(Number(value)) >= 2 ** 63)
        throw new BlockError(`Parameter '${name}' expects integer`);
      properties.set(name, Number(value));
    } else if (typeof value !== 'string') {
      throw new BlockError(`Invalid parameter type for '${name}', expected: string`);
    } else if (ENUMS[kind] && !ENUMS[kind].includes(value)) {
      throw new BlockError(`Parameter '${name}' does not accept value '${value}'`);
    }
  }
}

/** Creates the object that a text describes; returns the help if it only asked for that. */
export function createObject(text: string): string | undefined {
  const fromJson = text.startsWith('{');
  const { values: properties, help } = fromJson
    ? { values: parseJson(text), help: false }
    : parseKeyval(text, 'qom-type');
  if (help) return helpOn(properties.get('qom-type'));
  const take = (name: string): string => {
    const value = properties.get(name);
    properties.delete(name);
    if (value === undefined && hasSubtree(properties, name))
      throw new BlockError(
        fromJson ? `Invalid parameter type for '${name}', expected: string` : `Parameters '${name}.*' are unexpected`,
      );
    if (value === undefined) throw new BlockError(`Parameter '${name}' is missing`);
    if (typeof value !== 'string') throw new BlockError(`Invalid parameter type for '${name}', expected: string`);
    return value;
  };
  const type = take('qom-type');
  const row = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!row) throw new BlockError(`Parameter 'qom-type' does not accept value '${type}'`);
  const id = take('id');
  checkTypes(row, properties, fromJson);
  checkIdentifier('id', id);
  if (ids.has(id)) throw new BlockError(`attempt to add duplicate property '${id}' to object (type 'container')`);
  row.create(id, properties);
  ids.add(id);
  return undefined;
}
