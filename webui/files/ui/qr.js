// @ts-check
// A small QR code (ISO/IEC 18004), of up to 20 digits, capital letters and a few signs: version 1, error correction level M,
// alphanumeric mode. What it says never leaves the page, so it is drawn here.
const signs = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
const size = 21, dataWords = 16, checkWords = 10;

/** GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1 (§7.5.2). @param {number} a @param {number} b */
function times(a, b) {
  let product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a = a & 128 ? a << 1 ^ 0x11d : a << 1;
  }
  return product;
}

/** The data words of a text (§7.4). @param {string} text */
function words(text) {
  let bits = '0010' + text.length.toString(2).padStart(9, '0');
  for (let i = 0; i < text.length; i += 2) {
    const a = signs.indexOf(text[i]), b = signs.indexOf(text[i + 1] ?? '?');
    bits += b < 0 ? a.toString(2).padStart(6, '0') : (a * 45 + b).toString(2).padStart(11, '0');
  }
  bits += '0'.repeat(Math.min(4, dataWords * 8 - bits.length));
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  const out = bits.match(/.{8}/g)?.map((b) => parseInt(b, 2)) ?? [];
  for (let pad = 0xec; out.length < dataWords; pad ^= 0xfd) out.push(pad);
  return out;
}

/** The error correction words (§7.5.2): the rest of a division by the product of (x - 2^i). @param {number[]} data */
function check(data) {
  let generator = [1];
  for (let i = 0, root = 1; i < checkWords; i++, root = times(root, 2)) {
    const next = [...generator, 0];
    generator.forEach((g, at) => { next[at + 1] ^= times(g, root); });
    generator = next;
  }
  const rest = [...data, ...new Array(checkWords).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const lead = rest[i];
    generator.forEach((g, at) => { rest[i + at] ^= times(g, lead); });
  }
  return rest.slice(data.length);
}

/** Format information (§7.9) of level M and mask 0. */
const format = 0x5412;

/**
 * The modules of a text's code, row by row; true is dark.
 * @param {string} text @returns {boolean[][]}
 */
export function modules(text) {
  if (text.length > 20 || [...text].some((c) => !signs.includes(c))) throw new Error('not for a small code');
  /** @type {(boolean | undefined)[][]} */
  const grid = Array.from({ length: size }, () => new Array(size).fill(undefined));
  for (const [top, left] of [[0, 0], [0, size - 7], [size - 7, 0]]) {
    for (let y = -1; y <= 7; y++) {
      for (let x = -1; x <= 7; x++) {
        if (grid[top + y]?.[left + x] !== undefined || !(top + y in grid) || !(left + x in grid)) continue;
        const ring = Math.max(Math.abs(y - 3), Math.abs(x - 3));
        grid[top + y][left + x] = ring !== 2 && ring !== 4;
      }
    }
  }
  for (let i = 8; i < size - 8; i++) grid[6][i] = grid[i][6] = i % 2 === 0;
  for (let i = 0; i < 15; i++) {
    const bit = Boolean(format >> i & 1);
    grid[i < 6 ? i : i < 8 ? i + 1 : size - 15 + i][8] = bit;
    grid[8][i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i] = bit;
  }
  grid[size - 8][8] = true;
  const data = words(text);
  const bits = [...data, ...check(data)].map((w) => w.toString(2).padStart(8, '0')).join('');
  let at = 0;
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let i = 0; i < size; i++) {
      const y = up ? size - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (grid[y][x] === undefined) grid[y][x] = (bits[at++] === '1') !== ((x + y) % 2 === 0);
      }
    }
  }
  return /** @type {boolean[][]} */ (grid);
}

/** A picture of a text's code, with the quiet zone that cameras need. @param {string} text @param {string} label */
export function qr(text, label) {
  const grid = modules(text);
  const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', grid.flatMap((row, y) => row.map((dark, x) => dark ? `M${x + 4} ${y + 4}h1v1h-1z` : '')).join(''));
  for (const [name, value] of Object.entries({ class: 'qr small', viewBox: '0 0 29 29', role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' })) {
    picture.setAttribute(name, value);
  }
  picture.append(path);
  return picture;
}
