/** Whether what was measured again and again stays where it is: a line through it by least squares, and how far it rises. */

export interface Sample {
  /** Seconds since the beginning. */
  readonly at: number
  readonly value: number
}

export interface Slope {
  readonly mean: number
  /** By how much the line rises in an hour. */
  readonly perHour: number
  /** By how much it rises from the first sample to the last. */
  readonly rise: number
  /** How far the samples lie from the line, on average: what a rise has to stand out of. */
  readonly noise: number
}

export const slopeOf = (samples: ReadonlyArray<Sample>): Slope => {
  const count = Math.max(1, samples.length)
  const mean = samples.reduce((sum, { value }) => sum + value, 0) / count
  const middle = samples.reduce((sum, { at }) => sum + at, 0) / count
  let [across, along] = [0, 0]
  for (const { at, value } of samples) {
    across += (at - middle) ** 2
    along += (at - middle) * (value - mean)
  }
  const perSecond = across === 0 ? 0 : along / across
  const lasts = samples.length < 2 ? 0 : samples.at(-1)!.at - samples[0]!.at
  const noise =
    samples.reduce((sum, { at, value }) => sum + Math.abs(value - mean - perSecond * (at - middle)), 0) /
    count
  return { mean, perHour: perSecond * 3_600, rise: perSecond * lasts, noise }
}

/** How much something may rise over a whole soak: a share of its mean, and so much beside. */
export interface Bound {
  readonly share: number
  readonly beside: number
}

/** It is flat when it rises by no more than its bound. A fall is none of our worries. */
export const isFlat = ({ mean, rise }: Slope, { beside, share }: Bound): boolean =>
  rise <= mean * share + beside
