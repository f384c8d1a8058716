// Objects given with --object: secrets and throttle groups, as key=value lists or JSON.
import { BlockError } from '../../block/errors.ts';
import { parseJson } from '../../block/json-options.ts';
import { type OptionTree, parseKeyValueList } from '../../block/options.ts';
import { createSecret, type SecretProperties } from '../../block/secret.ts';
import { createThrottleGroup, GROUP_PROPERTIES } from '../../block/throttle.ts';

/** What an object type takes, as its help shows it, and how it is made. */
interface ObjectType {
  help: Record<string, string>;
  /** Names of properties that stand for a structure of this many members, each given as `name.member`. */
  structures?: Record<string, readonly string[]>;
  create: (id: string, properties: OptionTree) => void;
}

const TYPES: Record<string, ObjectType> = {
  secret: {
    help: { data: 'string', file: 'string', format: 'QCryptoSecretFormat', iv: 'string', keyid: 'string' },
    create: (id, properties) => {
      const format = properties.get('format');
      if (format !== undefined && format !== 'raw' && format !== 'base64')
        throw new BlockError(`Parameter 'format' does not accept value '${format}'`);
      createSecret(id, Object.fromEntries(properties) as SecretProperties);
    },
  },
  'throttle-group': {
    help: {
      limits: 'ThrottleLimits',
      ...Object.fromEntries(GROUP_PROPERTIES.map((name) => [`x-${name}`, 'int'])),
    },
    structures: { limits: GROUP_PROPERTIES },
    create: createThrottleGroup,
  },
};

const ids = new Set<string>();

/** The help a text asks for, if it asks for any. */
function help(words: readonly string[]): string | undefined {
  const asks = (word: string | undefined): boolean => word === 'help' || word === '?';
  const type = words[0]!;
  const row = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (asks(type) || (!row && words.slice(1).some(asks))) {
    return `List of user creatable objects:\n${Object.keys(TYPES)
      .map((name) => `  ${name}\n`)
      .join('')}`;
  }
  if (!row || !words.slice(1).some(asks)) return undefined;
  const rows = Object.entries(row.help).map(([name, kind]) => `  ${name}=<${kind}>\n`);
  return `${type} options:\n${rows.sort().join('')}`;
}

function checkTypes(row: ObjectType, properties: OptionTree, fromJson: boolean): void {
  for (const [name, value] of properties) {
    const [first, member] = name.split('.') as [string, string?];
    const structure = row.structures?.[first];
    if (structure && member === undefined)
      throw new BlockError(`Invalid parameter type for '${name}', expected: object`);
    const kind = structure ? (structure.includes(member!) ? 'int' : undefined) : row.help[name];
    if (kind === undefined) throw new BlockError(`Parameter '${name}' is unexpected`);
    if (kind === 'int') {
      if (fromJson && typeof value !== 'number')
        throw new BlockError(`Invalid parameter type for '${name}', expected: integer`);
      if (!/^\s*[-+]?(0x[0-9a-f]+|\d+)$/i.test(String(value)) || Math.abs(Number(value)) >= 2 ** 63)
        throw new BlockError(`Parameter '${name}' expects integer`);
      properties.set(name, Number(value));
    } else if (typeof value !== 'string') {
      throw new BlockError(`Invalid parameter type for '${name}', expected: string`);
    }
  }
}

/** Creates the object that a text describes; returns the help if it only asked for that. */
export function createObject(text: string): string | undefined {
  const fromJson = text.startsWith('{');
  const wanted = fromJson ? undefined : help(text.split(','));
  if (wanted !== undefined) return wanted;
  const properties: OptionTree = fromJson ? parseJson(text) : new Map(parseKeyValueList(text, 'qom-type'));
  const take = (name: string): string => {
    const value = properties.get(name);
    properties.delete(name);
    if (value === undefined) throw new BlockError(`Parameter '${name}' is missing`);
    if (typeof value !== 'string') throw new BlockError(`Invalid parameter type for '${name}', expected: string`);
    return value;
  };
  const type = take('qom-type');
  const row = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!row) throw new BlockError(`Parameter 'qom-type' does not accept value '${type}'`);
  const id = take('id');
  checkTypes(row, properties, fromJson);
  if (!/^[a-zA-Z][-a-zA-Z0-9._]*$/.test(id)) {
    throw new BlockError(
      "Parameter 'id' expects an identifier",
      undefined,
      "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    );
  }
  if (ids.has(id)) throw new BlockError(`attempt to add duplicate property '${id}' to object (type 'container')`);
  row.create(id, properties);
  ids.add(id);
  return undefined;
}
