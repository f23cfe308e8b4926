using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

public sealed class MaskKeyTests
{
    [Theory]
    [InlineData("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493", "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    [InlineData("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")]
    public void Agreement_IsThatOfRfc7748(string secret, string publicKey, string shared)
    {
        // §5.2 and §6.1.
        var result = new byte[32];
        Assert.True(MaskKeys.TryAgree(Convert.FromHexString(secret), Convert.FromHexString(publicKey), result));
        Assert.Equal(shared, Convert.ToHexStringLower(result));
    }

    [Fact]
    public void PublicKey_IsThatOfRfc7748() =>
        Assert.Equal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Convert.ToHexStringLower(MaskKeys.PublicKeyOf(Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"), KeyExchange.X25519)));

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void KeysOfSmallOrder_AreRefused(string hex)
    {
        var key = Convert.FromHexString(hex);
        var shared = Enumerable.Repeat((byte)1, 32).ToArray();
        Assert.False(MaskKeys.TryAgree(SHA256.HashData("mine"u8), key, shared));
        Assert.All(shared, value => Assert.Equal(0, value));
        Assert.False(MaskKeys.IsSoundPoint(key));
    }

    [Fact]
    public void KeysInASecondEncoding_AreRefused()
    {
        var key = MaskKeys.PublicKeyOf(SHA256.HashData("somebody"u8), KeyExchange.X25519);
        Assert.True(MaskKeys.IsSoundPoint(key));
        // Bit 255 is ignored by RFC 7748, and numbers from p up are reduced: copies of a key that look like other keys.
        key[31] |= 0x80;
        Assert.False(MaskKeys.IsSoundPoint(key));
        Assert.False(MaskKeys.IsSoundPoint(Convert.FromHexString("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")));
        Assert.True(MaskKeys.IsSoundPoint(Convert.FromHexString("0900000000000000000000000000000000000000000000000000000000000000")));
        Assert.False(MaskKeys.IsSoundPoint(new byte[31]));
    }

    [Theory]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")]
    public void Derivation_IsThatOfRfc5869(string material, string salt, string info, string key)
    {
        // Appendices A.1 and A.3: the platform's function is the one that is used.
        var result = new byte[42];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Convert.FromHexString(material), result, Convert.FromHexString(salt), Convert.FromHexString(info));
        Assert.Equal(key, Convert.ToHexStringLower(result));
    }

    [Fact]
    public void Keys_OfTheSpecPage()
    {
        // The vector of docs/spec/fedmask.md §13, computed apart from this code.
        var fixture = new ContextFixture();
        Assert.Equal("dce88da75c7f3218ac3c0f9502d6042018b8099bffb8e1b05d57864069b691bb", fixture.Attempt.Digest.ToString());
        Assert.Equal("8e546e7f390d4fc87b630175165d7fd8ab38d7b87d50adb44a0e63f8b2395718", fixture.Beacon.Digest.ToString());
        Assert.Equal("a592bec58150f49e7fb1382caca31157ee7ec1fea8c3d01ed112b749cb6ae0ae", fixture.Cohort.Digest.ToString());
        Assert.Equal("8cf1c1fc4653f3e4f75a709b67b04b5ba9c3351f09937ba2da8e8563543d07d3", fixture.Masks.Digest.ToString());
        var (shared, key) = (SHA256.HashData("shared"u8), new byte[32]);
        MaskKeys.EnvelopeKey(shared, fixture.Cohort, 3, 1, key);
        Assert.Equal("e9e366586344868adf5673853c4fdb94b1a93b51d2a4ca0d48f8ca79a01ae231", Convert.ToHexStringLower(key));
        MaskKeys.PairKey(shared, fixture.Masks, 3, 1, key);
        Assert.Equal("4e62c6be673d5c9c74946ec5ce7732997ef8f4ab1154516b834febbca3936e10", Convert.ToHexStringLower(key));
        MaskKeys.SelfKey(shared, fixture.Masks, 3, key);
        Assert.Equal("004295b7c81f85734fceec193ec80603301e1ef8d24a7a2a4ba419ca3d106c5f", Convert.ToHexStringLower(key));
        Assert.Equal("86adb7867ffabfca3eb4cfab8218fd20b7f23281c3f8688b86c71de9de78dcb7", MaskKeys.SelfCommitment(fixture.Cohort, 3, shared).ToString());
        MaskKeys.MaskSecret(shared, KeyExchange.X25519, key);
        Assert.Equal("42710246dc8fed5d1fca0aa94e7ba3cf5c47bb23c89327a2aaedfc645b10f636", Convert.ToHexStringLower(key));
    }

    [Fact]
    public void PairKey_IsTheSameForBoth_AndEveryOtherKeyIsAnother()
    {
        var fixture = new ContextFixture();
        var shared = SHA256.HashData("shared"u8);
        byte[] Key(Action<byte[]> derive)
        {
            var key = new byte[32];
            derive(key);
            return key;
        }

        Assert.Equal(Key(key => MaskKeys.PairKey(shared, fixture.Masks, 3, 1, key)), Key(key => MaskKeys.PairKey(shared, fixture.Masks, 1, 3, key)));
        var keys = new[]
        {
            Key(key => MaskKeys.PairKey(shared, fixture.Masks, 3, 1, key)), Key(key => MaskKeys.PairKey(shared, fixture.Masks, 3, 2, key)), Key(key => MaskKeys.EnvelopeKey(shared, fixture.Cohort, 3, 1, key)),
            Key(key => MaskKeys.EnvelopeKey(shared, fixture.Cohort, 1, 3, key)), Key(key => MaskKeys.SelfKey(shared, fixture.Masks, 3, key)), Key(key => MaskKeys.SelfKey(shared, fixture.Masks, 1, key)), Key(key => MaskKeys.MaskSecret(shared, KeyExchange.X25519, key)),
        };
        Assert.Equal(keys.Length, keys.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void EveryPartOfAContext_Matters()
    {
        var d = Enumerable.Range(0, 6).Select(i => Digest.Of([(byte)i])).ToArray();
        AttemptContext[] contexts =
        [
            AttemptContext.Derive(d[0], d[1], 1, 1, d[2], d[3], d[4]), AttemptContext.Derive(d[5], d[1], 1, 1, d[2], d[3], d[4]), AttemptContext.Derive(d[0], d[5], 1, 1, d[2], d[3], d[4]),
            AttemptContext.Derive(d[0], d[1], 2, 1, d[2], d[3], d[4]), AttemptContext.Derive(d[0], d[1], 1, 2, d[2], d[3], d[4]), AttemptContext.Derive(d[0], d[1], 1, 1, d[5], d[3], d[4]),
            AttemptContext.Derive(d[0], d[1], 1, 1, d[2], d[5], d[4]), AttemptContext.Derive(d[0], d[1], 1, 1, d[2], d[3], d[5]),
        ];
        Assert.Equal(contexts.Length, contexts.Distinct().Count());
        var fixture = new ContextFixture();
        var other = MaskBeacon.Derive(fixture.Attempt, [d[0]], fixture.Adverts);
        Assert.NotEqual(fixture.Beacon, other);
        Assert.NotEqual(fixture.Cohort, CohortContext.Derive(fixture.Attempt, fixture.Members, other));
        Assert.NotEqual(fixture.Cohort, CohortContext.Derive(fixture.Attempt, fixture.Members.AsSpan(1), fixture.Beacon));
        Assert.NotEqual(fixture.Masks, MaskContext.Derive(fixture.Cohort, fixture.Graph.Restrict(fixture.Members.AsSpan(1))));
        Assert.Throws<ArgumentException>(() => CohortContext.Derive(fixture.Attempt, [3, 1], fixture.Beacon));
        Assert.Throws<ArgumentException>(() => AttemptContext.RosterDigest([new byte[] { 2 }, new byte[] { 1 }]));
        Assert.NotEqual(AttemptContext.RosterDigest([new byte[] { 1 }]), AttemptContext.RosterDigest([new byte[] { 1 }, new byte[] { 2 }]));
    }
}

/// <summary>The contexts of the vectors on the page: a cohort of five, all sharing with all.</summary>
internal sealed class ContextFixture
{
    public ContextFixture()
    {
        Attempt = AttemptContext.Derive(Digest.Of("chain"u8), Digest.Of("run"u8), 7, 2, Digest.Of("parent"u8), Digest.Of("configuration"u8), Digest.Of("roster"u8));
        Adverts = [.. Members.Select(member => KeyAdvert.Create(member, new byte[32], new byte[32], Digest.Of([(byte)member])))];
        Beacon = MaskBeacon.Derive(Attempt, [Digest.Of("one"u8), Digest.Of("two"u8)], Adverts);
        Cohort = CohortContext.Derive(Attempt, Members, Beacon);
        Graph = MaskGraph.Create(Members, Attempt, Beacon, FaultBound.Corrupt200Dropped100);
        Masks = MaskContext.Derive(Cohort, Graph);
    }

    public ushort[] Members { get; } = [0, 1, 3, 4, 300];

    public IReadOnlyList<KeyAdvert> Adverts { get; }

    public AttemptContext Attempt { get; }

    public MaskBeacon Beacon { get; }

    public CohortContext Cohort { get; }

    public MaskGraph Graph { get; }

    public MaskContext Masks { get; }
}
