using Orleans.Training.Simulation;

namespace Orleans.Training.Tests.Fuzz;

/// <summary>Inputs for decoders: valid encodings, mutations of them, and noise; all from a seed.</summary>
internal sealed class Mutator(ulong seed)
{
    // Heads of CBOR items at the limits of their forms, and what text formats split at.
    private static readonly byte[][] Edges =
    [
        [0x00], [0x17], [0x18, 0x17], [0x18, 0x18], [0x19, 0xff, 0xff], [0x1a, 0x7f, 0xff, 0xff, 0xff], [0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0x20], [0x26], [0x27], [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x40], [0x58, 0x20], [0x5f], [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0x60], [0x61, 0xff], [0x62, 0xc3, 0x28], [0x63, 0xed, 0xa0, 0x80], [0x7f], [0x80], [0x9f], [0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x9a, 0xff, 0xff, 0xff, 0xff], [0xa0], [0xbf], [0xc0], [0xd8, 0x18],
        [0xf4], [0xf5], [0xf6], [0xf7], [0xf8, 0x16], [0xf9, 0x7e, 0x00], [0xfb, 0, 0, 0, 0, 0, 0, 0, 0], [0xff], "\n"u8.ToArray(), "\n\n"u8.ToArray(), " "u8.ToArray(), "+"u8.ToArray(), "="u8.ToArray(), "0"u8.ToArray(), "\r"u8.ToArray(),
        [TextBytes.Dash], [TextBytes.HighSurrogate], [TextBytes.LowSurrogate],
    ];

    private readonly Chance _chance = new(seed);

    /// <summary>One input: one in sixteen is valid as it stands, one in eight is noise, the rest are mutations.</summary>
    public byte[] Next(IReadOnlyList<byte[]> valid)
    {
        var kind = _chance.Below(16);
        if (kind == 0) return _chance.Pick(valid);
        if (kind <= 2) return Noise();
        var bytes = _chance.Pick(valid);
        for (var changes = 1 + _chance.Below(3); changes > 0; changes--) bytes = Change(bytes, valid);
        return bytes;
    }

    private byte[] Change(byte[] bytes, IReadOnlyList<byte[]> valid)
    {
        var at = _chance.Below(bytes.Length + 1);
        var some = Math.Min(bytes.Length - at, 1 + _chance.Below(40));
        switch (_chance.Below(9))
        {
            case 0 or 1 when at < bytes.Length:
                bytes = [.. bytes];
                bytes[at] ^= (byte)(1 << _chance.Below(8));
                return bytes;
            case 2 when at < bytes.Length:
                bytes = [.. bytes];
                bytes[at] += (byte)(_chance.Below(2) == 0 ? 1 : 255);
                return bytes;
            case 3:
                return bytes[..at];
            case 4:
                return [.. bytes.AsSpan(0, at), .. bytes.AsSpan(at + some)];
            case 5:
                return [.. bytes.AsSpan(0, at + some), .. bytes.AsSpan(at)];
            case 6:
                var edge = _chance.Pick(Edges);
                return [.. bytes.AsSpan(0, at), .. edge, .. bytes.AsSpan(Math.Min(bytes.Length, at + (_chance.Below(2) * edge.Length)))];
            case 7:
                var other = _chance.Pick(valid);
                return [.. bytes.AsSpan(0, at), .. other.AsSpan(_chance.Below(other.Length + 1))];
            default:
                var noise = new byte[1 + _chance.Below(8)];
                _chance.Fill(noise);
                return [.. bytes.AsSpan(0, at), .. noise, .. bytes.AsSpan(at)];
        }
    }

    private byte[] Noise()
    {
        var bytes = new byte[_chance.Below(300)];
        _chance.Fill(bytes);
        if (bytes.Length > 0 && _chance.Below(2) == 0) bytes[0] = (byte)(0x80 + _chance.Below(16));
        return bytes;
    }
}

/// <summary>Text as bytes, one for each UTF-16 unit, so that one mutator serves all; three bytes stand for what ASCII has not.</summary>
internal static class TextBytes
{
    public const byte Dash = 0x97, HighSurrogate = 0x98, LowSurrogate = 0x99;

    public static byte[] Of(string text) => [.. text.Select(unit => unit == '—' ? Dash : (byte)unit)];

    public static string Text(byte[] bytes) => string.Create(bytes.Length, bytes, (units, from) =>
    {
        for (var i = 0; i < units.Length; i++) units[i] = from[i] switch { Dash => '—', HighSurrogate => '\ud83d', LowSurrogate => '\ude00', var unit => (char)unit };
    });
}
