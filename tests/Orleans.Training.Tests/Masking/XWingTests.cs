using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

/// <summary>X-Wing is what its draft says, and both of its halves decide.</summary>
public sealed partial class XWingTests
{
    /// <summary>draft-connolly-cfrg-xwing-kem-08, Appendix C: of keys and ciphertexts the last eight bytes; the secret follows from all of them.</summary>
    [Theory]
    [InlineData("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26", "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2", "c8cd049040ef6534", "74a079d3e6fb2e15", "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384")]
    [InlineData("badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea", "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdefaee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d", "160b8843f1c89c62", "312f4ae3ea155b67", "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150")]
    public void VectorsOfTheDraft_Hold(string secret, string coins, string key, string ciphertext, string shared)
    {
        var publicKey = XWing.PublicKeyOf(Convert.FromHexString(secret));
        Assert.EndsWith(key, Convert.ToHexStringLower(publicKey), StringComparison.Ordinal);
        var (made, sent, received) = (new byte[XWing.CiphertextBytes], new byte[32], new byte[32]);
        Assert.True(XWing.TryEncapsulate(publicKey, Convert.FromHexString(coins), made, sent));
        Assert.EndsWith(ciphertext, Convert.ToHexStringLower(made), StringComparison.Ordinal);
        Assert.Equal(shared, Convert.ToHexStringLower(sent));
        Assert.True(XWing.TryDecapsulate(Convert.FromHexString(secret), made, received));
        Assert.Equal(sent, received);
    }

    /// <summary>Whoever breaks X25519 alone, or ML-KEM alone, lacks the other half of what the secret is made of.</summary>
    [Fact]
    public void TheSecret_IsMadeOfBothHalves()
    {
        var (secret, coins) = (SHA256.HashData("secret"u8), SHA512.HashData("coins"u8));
        var publicKey = XWing.PublicKeyOf(secret);
        var (ciphertext, shared) = (new byte[XWing.CiphertextBytes], new byte[32]);
        Assert.True(XWing.TryEncapsulate(publicKey, coins, ciphertext, shared));

        // What the two halves are to who has the whole seed (§5.2 of the draft), each by itself.
        var expanded = new byte[96];
        Shake256.HashData(secret, expanded);
        var (latticeKey, latticeSecret, lattice, point) = (new byte[1184], new byte[2400], new byte[32], new byte[32]);
        Assert.Equal(0, LatticeKeyPair(latticeKey, latticeSecret, expanded.AsSpan(0, 64)));
        Assert.Equal(publicKey[..1184], latticeKey);
        Assert.Equal(0, LatticeDecapsulate(lattice, ciphertext.AsSpan(0, 1088), latticeSecret));
        Assert.True(MaskKeys.TryAgree(expanded.AsSpan(64), ciphertext.AsSpan(1088), point));

        byte[] Combined(byte[] latticeHalf, byte[] pointHalf) => SHA3_256.HashData([.. latticeHalf, .. pointHalf, .. ciphertext[1088..], .. publicKey[1184..], .. @"\.//^\"u8]);
        Assert.Equal(shared, Combined(lattice, point));
        Assert.NotEqual(shared, Combined(lattice, new byte[32]));
        Assert.NotEqual(shared, Combined(new byte[32], point));
    }

    [Fact]
    public void ChangedCiphertexts_GiveSomethingElse()
    {
        var secret = SHA256.HashData("secret"u8);
        var (ciphertext, shared, other) = (new byte[XWing.CiphertextBytes], new byte[32], new byte[32]);
        Assert.True(XWing.TryEncapsulate(XWing.PublicKeyOf(secret), SHA512.HashData("coins"u8), ciphertext, shared));
        foreach (var at in new[] { 0, 500, 1087, 1088, 1119 })
        {
            byte[] changed = [.. ciphertext];
            changed[at] ^= 1;
            Assert.True(XWing.TryDecapsulate(secret, changed, other));
            Assert.NotEqual(shared, other);
            // ML-KEM rejects without saying so, and always with the same secret.
            var again = new byte[32];
            XWing.TryDecapsulate(secret, changed, again);
            Assert.Equal(other, again);
        }

        Assert.False(XWing.TryDecapsulate(secret, [.. ciphertext[..1088], .. new byte[32]], other));
        Assert.All(other, value => Assert.Equal(0, value));
    }

    [Fact]
    public void Keys_AreInTheirOneEncoding()
    {
        var key = XWing.PublicKeyOf(SHA256.HashData("somebody"u8));
        Assert.True(XWing.IsSound(key));
        Assert.False(XWing.IsSound(key.AsSpan(1)));
        // A coefficient of 3,329, in the low and in the high half of three bytes, first and last.
        foreach (var at in new[] { 0, 1149 })
        {
            Assert.False(XWing.IsSound([.. key[..at], 0x01, (byte)((key[at + 1] & 0xf0) | 0x0d), .. key[(at + 2)..]]));
            Assert.False(XWing.IsSound([.. key[..(at + 1)], (byte)((key[at + 1] & 0x0f) | 0x10), 0xd0, .. key[(at + 3)..]]));
            Assert.True(XWing.IsSound([.. key[..at], 0x00, (byte)((key[at + 1] & 0xf0) | 0x0d), .. key[(at + 2)..]]));
        }

        Assert.False(XWing.IsSound([.. key[..1184], .. new byte[32]]));
        var (ciphertext, shared) = (new byte[XWing.CiphertextBytes], new byte[32]);
        Assert.False(XWing.TryEncapsulate([.. key[..1184], .. new byte[32]], new byte[64], ciphertext, shared));
    }

    [LibraryImport("libsodium", EntryPoint = "crypto_kem_mlkem768_seed_keypair")]
    private static partial int LatticeKeyPair(Span<byte> publicKey, Span<byte> secretKey, ReadOnlySpan<byte> seed);

    [LibraryImport("libsodium", EntryPoint = "crypto_kem_mlkem768_dec")]
    private static partial int LatticeDecapsulate(Span<byte> shared, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> secretKey);
}
