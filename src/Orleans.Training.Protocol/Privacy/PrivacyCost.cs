using System.Buffers.Binary;
using System.Formats.Cbor;
using System.Numerics;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>
/// Rényi divergences at all of <see cref="RenyiOrders"/>: what a mechanism costs, or what was spent. Units of 2⁻⁶⁴, never rounded down; what is more than
/// fits stays at the largest number, which no budget admits.
/// </summary>
public sealed class PrivacyCost : IEquatable<PrivacyCost>
{
    /// <summary>Bits behind the point.</summary>
    public const int FractionBits = 64;

    /// <summary>Bytes on the wire.</summary>
    public const int Size = RenyiOrders.Count * 16;

    private readonly UInt128[] _divergences;

    private PrivacyCost(UInt128[] divergences) => _divergences = divergences;

    /// <summary>No cost.</summary>
    public static PrivacyCost None { get; } = new(new UInt128[RenyiOrders.Count]);

    /// <summary>The divergence at each order.</summary>
    public ReadOnlySpan<UInt128> Divergences => _divergences;

    /// <summary>The cost whose divergence at an order is a quotient of integers, rounded up.</summary>
    /// <param name="divergence">Numerator and denominator at an order; the denominator is positive.</param>
    public static PrivacyCost Of(Func<int, (BigInteger Numerator, BigInteger Denominator)> divergence)
    {
        var cost = new UInt128[RenyiOrders.Count];
        for (var i = 0; i < cost.Length; i++)
        {
            var (numerator, denominator) = divergence(RenyiOrders.All[i]);
            var units = FixedLogarithm.CeilingDivide(numerator << FractionBits, denominator);
            cost[i] = units.Sign < 0 ? throw new ArgumentOutOfRangeException(nameof(divergence), "A divergence is not negative.") : units > (BigInteger)UInt128.MaxValue ? UInt128.MaxValue : (UInt128)units;
        }

        return new(cost);
    }

    /// <summary>The cost of both, one after the other, whatever the second was chosen by: divergences add up.</summary>
    public PrivacyCost Plus(PrivacyCost other)
    {
        var sum = new UInt128[RenyiOrders.Count];
        for (var i = 0; i < sum.Length; i++)
        {
            var total = unchecked(_divergences[i] + other._divergences[i]);
            sum[i] = total < _divergences[i] ? UInt128.MaxValue : total;
        }

        return new(sum);
    }

    /// <summary>The cost without a part of it that is given back; what had become the largest number stays that.</summary>
    /// <exception cref="ArgumentException">It is no part of it.</exception>
    public PrivacyCost Minus(PrivacyCost part)
    {
        if (!Covers(part)) throw new ArgumentException("More is given back than there is.", nameof(part));
        var rest = new UInt128[RenyiOrders.Count];
        for (var i = 0; i < rest.Length; i++) rest[i] = _divergences[i] == UInt128.MaxValue ? UInt128.MaxValue : _divergences[i] - part._divergences[i];
        return new(rest);
    }

    /// <summary>Whether this is at least the other at every order.</summary>
    public bool Covers(PrivacyCost other)
    {
        for (var i = 0; i < _divergences.Length; i++)
        {
            if (_divergences[i] < other._divergences[i]) return false;
        }

        return true;
    }

    /// <summary>Writes the divergences as one byte string, each of 16 bytes, big-endian.</summary>
    public void Write(CborWriter writer)
    {
        Span<byte> bytes = stackalloc byte[Size];
        for (var i = 0; i < _divergences.Length; i++) BinaryPrimitives.WriteUInt128BigEndian(bytes[(16 * i)..], _divergences[i]);
        writer.WriteByteString(bytes);
    }

    /// <summary>Reads what <see cref="Write"/> wrote; only inside <see cref="Wire.TryDecode"/>.</summary>
    public static PrivacyCost Read(CborReader reader)
    {
        var bytes = reader.ReadBytes(Size).Span;
        Wire.Require(bytes.Length == Size);
        var divergences = new UInt128[RenyiOrders.Count];
        for (var i = 0; i < divergences.Length; i++) divergences[i] = BinaryPrimitives.ReadUInt128BigEndian(bytes[(16 * i)..]);
        return new(divergences);
    }

    /// <inheritdoc/>
    public bool Equals(PrivacyCost? other) => other is not null && _divergences.AsSpan().SequenceEqual(other._divergences);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PrivacyCost);

    /// <inheritdoc/>
    public override int GetHashCode() => _divergences[0].GetHashCode();
}
