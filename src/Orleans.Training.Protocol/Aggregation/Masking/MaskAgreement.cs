using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The secrets that a participant has with each of its neighbours, by the attempt's exchange (docs/spec/fedmask.md §3).</summary>
internal static class MaskAgreement
{
    /// <summary>The ciphertext at an index; empty where there are none.</summary>
    public static Span<byte> At(byte[] ciphertexts, int index) => ciphertexts.Length == 0 ? [] : ciphertexts.AsSpan(index * XWing.CiphertextBytes, XWing.CiphertextBytes);

    /// <summary>K_enc to a neighbour, and the ciphertext from which the neighbour has it. To one whose key is none it is a key that opens nothing.</summary>
    public static void SealingKey(MaskState state, ushort to, Span<byte> ciphertext, Span<byte> key)
    {
        Span<byte> shared = stackalloc byte[MaskKeys.Size], coins = stackalloc byte[XWing.CoinBytes];
        var (secrets, receiver) = (state.Secrets!, state.AdvertOf(to));
        if (ciphertext.IsEmpty)
        {
            MaskKeys.TryAgree(secrets.EnvelopeSecret, receiver.EnvelopeKey.Span, shared);
        }
        else
        {
            // The seed becomes public one day, and the coins of an envelope must not.
            PairSecrets.Coins(secrets.DealingKey, receiver.EnvelopeKey.Span, state.Position, to, coins);
            XWing.TryEncapsulate(receiver.EnvelopeKey.Span, coins, ciphertext, shared);
            CryptographicOperations.ZeroMemory(coins);
        }

        EnvelopeKey(state, state.Position, to, shared, key);
    }

    /// <summary>K_enc from a neighbour, for the envelope at a point of its blob.</summary>
    public static void OpeningKey(MaskState state, ushort from, ShareBlob blob, int point, Span<byte> key)
    {
        Span<byte> shared = stackalloc byte[MaskKeys.Size];
        if (state.Setup.Exchange is KeyExchange.Hybrid) XWing.TryDecapsulate(state.Secrets!.EnvelopeSecret, blob.EnvelopeCiphertext(point), shared);
        else MaskKeys.TryAgree(state.Secrets!.EnvelopeSecret, state.AdvertOf(from).EnvelopeKey.Span, shared);
        EnvelopeKey(state, from, state.Position, shared, key);
    }

    /// <summary>The ciphertext of the secret with a neighbour of a larger position.</summary>
    public static void Encapsulate(MaskState state, ushort larger, Span<byte> ciphertext)
    {
        Span<byte> shared = stackalloc byte[MaskKeys.Size];
        PairSecrets.TryEncapsulate(state.Secrets!.Seed, state.Position, state.AdvertOf(larger), ciphertext, shared);
        CryptographicOperations.ZeroMemory(shared);
    }

    /// <summary>The secret of the masks with a neighbour from a ciphertext in the blob of the smaller of both; nothing where keys are enough. False where there is none: the edge falls.</summary>
    /// <param name="state">The participant.</param>
    /// <param name="neighbour">The neighbour.</param>
    /// <param name="blob">The neighbour's blob.</param>
    /// <param name="shared">Receives 32 bytes.</param>
    public static bool TryReceivePair(MaskState state, ushort neighbour, ShareBlob blob, Span<byte> shared)
    {
        if (state.Setup.Exchange is not KeyExchange.Hybrid) return true;
        var (own, graph) = (state.Position, state.Graph!);
        var ciphertext = own < neighbour ? state.Blob!.PairCiphertext(graph.PointOf(own, neighbour)) : blob.PairCiphertext(graph.PointOf(neighbour, own));
        return PairSecrets.TryAgree(state.Secrets!.Seed, own, state.AdvertOf(neighbour), ciphertext, state.Rules, shared);
    }

    /// <summary>The secret of the masks with a neighbour whose shares were acknowledged.</summary>
    public static bool TryPair(MaskState state, ushort neighbour, Span<byte> shared)
    {
        if (state.Setup.Exchange is KeyExchange.Hybrid) return state.Secrets!.PairWith(neighbour).TryCopyTo(shared) && !state.Secrets.PairWith(neighbour).IsEmpty;
        return PairSecrets.TryAgree(state.Secrets!.Seed, state.Position, state.AdvertOf(neighbour), [], state.Rules, shared);
    }

    private static void EnvelopeKey(MaskState state, ushort from, ushort to, Span<byte> shared, Span<byte> key)
    {
        if (state.Rules.BindEnvelopes) MaskKeys.EnvelopeKey(shared, state.Cohort, from, to, key);
        else MaskKeys.EnvelopeKey(shared, state.Cohort, 0, 0, key);
        CryptographicOperations.ZeroMemory(shared);
    }
}
