using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// The secret from which the masks between two neighbours follow, for whoever has the seed of one of them (docs/spec/fedmask.md §3). Hybrid, the smaller position encapsulates it to the larger one's key, with coins
/// from its own seed: so either seed gives it, and whoever learns the smaller one's seed can tell whether the ciphertext was made as it must be.
/// </summary>
internal static class PairSecrets
{
    /// <summary>The ciphertext of the smaller of two neighbours, and the secret in it; false, and zeros, if the larger one's key is none.</summary>
    public static bool TryEncapsulate(ReadOnlySpan<byte> seed, ushort position, KeyAdvert larger, Span<byte> ciphertext, Span<byte> shared)
    {
        Span<byte> coins = stackalloc byte[XWing.CoinBytes];
        Coins(seed, larger.MaskKey.Span, position, larger.Position, coins);
        var isKey = XWing.TryEncapsulate(larger.MaskKey.Span, coins, ciphertext, shared);
        CryptographicOperations.ZeroMemory(coins);
        return isKey;
    }

    /// <summary>64 bytes for one encapsulation to one key: the same coins for another key would tell its owner what is in both ciphertexts.</summary>
    public static void Coins(ReadOnlySpan<byte> material, ReadOnlySpan<byte> publicKey, ushort from, ushort to, Span<byte> coins) => MaskKeys.Derive(material, Digest.Of(publicKey), Preimage.Info("coins", from, to), coins);

    /// <summary>The secret; false, and zeros, where a key or a ciphertext is not what it must be: by fault of the smaller position, if the keys of both are sound.</summary>
    /// <param name="seed">That of one of them.</param>
    /// <param name="position">Whose seed it is.</param>
    /// <param name="neighbour">The other's keys.</param>
    /// <param name="ciphertext">What the smaller one has published for the larger; empty where keys are enough.</param>
    /// <param name="rules">Which rules hold.</param>
    /// <param name="shared">Receives 32 bytes.</param>
    public static bool TryAgree(ReadOnlySpan<byte> seed, ushort position, KeyAdvert neighbour, ReadOnlySpan<byte> ciphertext, MaskRules rules, Span<byte> shared)
    {
        if (neighbour.Exchange is KeyExchange.Hybrid && position < neighbour.Position)
        {
            Span<byte> own = stackalloc byte[XWing.CiphertextBytes];
            if (TryEncapsulate(seed, position, neighbour, own, shared) && (!rules.CheckSecrets || own.SequenceEqual(ciphertext))) return true;
            shared.Clear();
            return false;
        }

        Span<byte> secret = stackalloc byte[MaskKeys.Size];
        MaskKeys.MaskSecret(seed, neighbour.Exchange, secret);
        var agreed = neighbour.Exchange is KeyExchange.Hybrid ? XWing.TryDecapsulate(secret, ciphertext, shared) : MaskKeys.TryAgree(secret, neighbour.MaskKey.Span, shared);
        CryptographicOperations.ZeroMemory(secret);
        return agreed;
    }
}
