export type OutputName = 'stdout' | 'stderr';

/**
 * Takes Docker's multiplexed stream apart: 8 bytes of header (stream, three zeros, length big-endian), then the bytes.
 * Pure but for its carry-over; the two streams are one log.
 */
export class FrameReader {
  private header = Buffer.alloc(0);
  private left = 0;
  private stream: OutputName = 'stdout';

  /** Payload bytes found in this chunk, in order. */
  read(chunk: Buffer): Buffer[] {
    return this.outputs(chunk).map(({ bytes }) => bytes);
  }

  /** The same, each part with the stream that it came on. */
  outputs(chunk: Buffer): { stream: OutputName; bytes: Buffer }[] {
    const found: { stream: OutputName; bytes: Buffer }[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.left === 0) {
        rest = this.readHeader(rest);
        continue;
      }
      const part = rest.subarray(0, this.left);
      this.left -= part.length;
      rest = rest.subarray(part.length);
      found.push({ stream: this.stream, bytes: part });
    }
    return found;
  }

  private readHeader(chunk: Buffer): Buffer {
    const missing = 8 - this.header.length;
    this.header = Buffer.concat([this.header, chunk.subarray(0, missing)]);
    if (this.header.length === 8) {
      this.left = this.header.readUInt32BE(4);
      this.stream = this.header[0] === 2 ? 'stderr' : 'stdout';
      this.header = Buffer.alloc(0);
    }
    return chunk.subarray(missing);
  }
}

/** The last `lines` lines of a text; `truncated` when there were more. */
export function tailLines(text: string, lines: number): { text: string; truncated: boolean } {
  const ended = text.endsWith('\n');
  const all = (ended ? text.slice(0, -1) : text).split('\n');
  if (text === '' || all.length <= lines) return { text, truncated: false };
  return { text: all.slice(-lines).join('\n') + (ended ? '\n' : ''), truncated: true };
}
