/** Nano-USD and USD, both ways and exactly. Pure. */

const NANO = 9;
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i;

/** Return an amount as a decimal text of USD, without zeros at its end: 110000n is "0.00011". */
export function usdOf(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? "-" : "";
  const digits = (nanoUsd < 0n ? -nanoUsd : nanoUsd).toString().padStart(NANO + 1, "0");
  const fraction = digits.slice(-NANO).replace(/0+$/, "");
  return `${sign}${digits.slice(0, -NANO)}${fraction && `.${fraction}`}`;
}

/**
 * Return whole nano-USD, rounded down: a cap never grows by rounding.
 *
 * By way of its text a number means what was written: 0.1 is a tenth.
 *
 * @throws TypeError it is no amount.
 */
export function nanoUsdOf(usd: string | number): bigint {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    DECIMAL.exec(String(usd).trim()) ?? [];
  if (!whole && !fraction) throw new TypeError(`maxCostUsd must be an amount of USD, not ${usd}`);
  const digits = BigInt(whole + fraction);
  const shift = NANO + Number(exponent) - fraction.length;
  if (shift >= 0) return (sign === "-" ? -digits : digits) * 10n ** BigInt(shift);
  const unit = 10n ** BigInt(-shift);
  return sign === "-" ? -((digits + unit - 1n) / unit) : digits / unit;
}
