using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Protocol.Privacy;

/// <summary>An update as lanes with noise in them, made where its data are, before any mask: nobody sees a sum without noise (docs/spec/privacy.md §3).</summary>
public static class NoisyUpdate
{
    private const int Tries = 100;

    /// <summary>
    /// The lanes of an update: clipped, rounded at random until their norm is one that the accountant counts, and noise on top. The weight is 1. The keys are secret, independent, and used once; the same keys
    /// give the same lanes. False if a value is not finite (or, once in 10²¹ times, no rounding is short enough).
    /// </summary>
    /// <param name="parameters">The agreement's.</param>
    /// <param name="sampler">Of the agreement's noise.</param>
    /// <param name="delta">Local minus global parameters.</param>
    /// <param name="roundingKey">32 bytes.</param>
    /// <param name="noiseKey">32 bytes.</param>
    /// <param name="lanes">One lane for every parameter, beyond the agreement's levels by <see cref="SkellamSampler.Reach"/> at most, but for once in 10²³ times.</param>
    public static bool TryCreate(FixedPoint parameters, SkellamSampler sampler, ReadOnlySpan<float> delta, ReadOnlySpan<byte> roundingKey, ReadOnlySpan<byte> noiseKey, [NotNullWhen(true)] out int[]? lanes)
    {
        var limit = (Int128)BigInteger.Min(new SkellamMechanism(SkellamMechanism.ClipOf(parameters), delta.Length, sampler.Variance).SquaredNorm, (BigInteger)Int128.MaxValue);
        Span<byte> key = stackalloc byte[32];
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            HKDF.DeriveKey(HashAlgorithmName.SHA256, roundingKey, key, salt: [], info: [.. "FLv1-rounding"u8, (byte)attempt]);
            if (!parameters.TryQuantize(delta, FixedPoint.WeightOne, key, out lanes)) break;
            if (SquaresOf(lanes) > limit) continue;
            CryptographicOperations.ZeroMemory(key);
            sampler.AddTo(lanes, noiseKey);
            return true;
        }

        CryptographicOperations.ZeroMemory(key);
        lanes = null;
        return false;
    }

    private static Int128 SquaresOf(ReadOnlySpan<int> lanes)
    {
        Int128 sum = 0;
        foreach (var lane in lanes) sum += (long)lane * lane;
        return sum;
    }
}
