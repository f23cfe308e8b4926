using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

/// <summary>The vectors of docs/spec/fedmask.md §13 that no other test has. They were computed apart from this code, from the page, with OpenSSL and Python.</summary>
public sealed class MaskVectorTests
{
    private static readonly ContextFixture Fixture = new();
    private static readonly byte[] Share = Digest.Of("share"u8).ToArray();
    private static readonly byte[] Salt = Digest.Of("salt"u8).ToArray()[..16];

    [Theory]
    [InlineData(16, 100, new[] { 1, -2, 300 }, "51774b1ca57aed0931091718d5744dbf", "c09d9083485e41a3e3d9d8fcc0eac27018527f12d884500d352923e89a653a8c")]
    [InlineData(21, 1, new[] { 1, -2, 1000, -1048575 }, "51774d997a79ed092f093718d6724ebf", "648a0deeabe33469ef34a2fbb9614e55428bf6df999e37defa16d9aa0ef0ca7a")]
    public void MaskedInput_IsThatOfThePage(int bits, int participants, int[] lanes, string begin, string root)
    {
        var parameters = LaneLayoutTests.FixedPointOf(bits, participants);
        using var terms = new MaskTerms();
        terms.IncludeSelf(Fixture.Masks, 3, Digest.Of("b"u8).ToArray());
        terms.IncludePairs(Fixture.Masks, 3, [1, 4], (_, shared) => Digest.Of("shared"u8).ToArray().AsSpan().TryCopyTo(shared), inverse: false);
        Assert.Equal(MaskFault.None, MaskedInput.TryCreate(parameters, LaneLayout.Choose(parameters, lanes.Length), lanes, MaskTail.Of(5), terms, out var bytes));
        Assert.Equal((128, begin, root), (bytes.Length, Convert.ToHexStringLower(bytes.AsSpan(0, 16)), ChunkedBlob.Root(bytes).ToString()));
    }

    [Fact]
    public void Leaves_AreThoseOfThePage()
    {
        var share = new SaltedShare(2, Share, Salt);
        Assert.Equal("061df76e105d301e89f339d0daf9d70a58eaacab73510db23ad2e1ba708f3b8d", share.Leaf(ShareKind.Seed, Fixture.Cohort, 3, 1).ToString());
        Assert.Equal("bfeee1f49ef51585417ea62e6117987f6e22022cf937554078a83e1e9af70871", share.Leaf(ShareKind.Self, Fixture.Cohort, 3, 1).ToString());
    }

    [Fact]
    public void Envelope_IsThatOfThePage()
    {
        using var envelope = new ShareEnvelope([2, .. Share, .. Salt, .. Digest.Of("other"u8).ToArray(), .. Digest.Of("pepper"u8).ToArray()[..16]]);
        var (key, sealedBytes) = (new byte[32], new byte[ShareEnvelope.SealedBytes]);
        MaskKeys.EnvelopeKey(Digest.Of("shared"u8).ToArray(), Fixture.Cohort, 3, 1, key);
        envelope.Seal(key, Fixture.Cohort, 3, 1, sealedBytes);
        Assert.Equal(("ab2a4fbd6eee6de286f13db77fc45405", "e1b691f00d582ba6aa9207227d1777c5b953e26afc02bd1ce247e836f7d934f2"), (Convert.ToHexStringLower(sealedBytes.AsSpan(0, 16)), Digest.Of(sealedBytes).ToString()));
        using var opened = ShareEnvelope.TryOpen(key, Fixture.Cohort, 3, 1, sealedBytes);
        Assert.Equal(Share, opened!.Half(ShareKind.Seed).Share.ToArray());
        Assert.Null(ShareEnvelope.TryOpen(key, Fixture.Cohort, 3, 4, sealedBytes));
        Assert.Null(ShareEnvelope.TryOpen(key, Fixture.Cohort, 3, 1, sealedBytes.AsSpan(1)));
    }

    [Fact]
    public void HybridSecrets_AreThoseOfThePage()
    {
        var (secret, ciphertext, shared, key) = (new byte[32], new byte[XWing.CiphertextBytes], new byte[32], new byte[32]);
        MaskKeys.MaskSecret(Digest.Of("shared"u8).ToArray(), KeyExchange.Hybrid, secret);
        Assert.Equal("997766901faeef76933df9a06cf8cbefc0b3d5f04e95cf6796f94d00800a7c4e", Convert.ToHexStringLower(secret));
        var three = KeyAdvert.Create(3, MaskKeys.MaskPublicKeyOf(Digest.Of("two"u8).ToArray(), KeyExchange.Hybrid), new byte[XWing.PublicKeyBytes], default);
        Assert.Equal("e5435a339441c6f1502d07ae99da56d18eb2e6e5d44f0fa61c1874c62f7dc4b2", Digest.Of(three.MaskKey.Span).ToString());
        Assert.True(PairSecrets.TryEncapsulate(Digest.Of("one"u8).ToArray(), 1, three, ciphertext, shared));
        Assert.Equal("9b4d9211cf2c23d449c28c6d932e09316021430fc85df1a44cd596e7581ad1d5", Digest.Of(ciphertext).ToString());
        MaskKeys.PairKey(shared, Fixture.Masks, 1, 3, key);
        Assert.Equal("d15c46ce77baa120f2f0e3b61da960d4d7a02b2c8598f8c7fd38ebfb015ff8b8", Convert.ToHexStringLower(key));
    }

    [Fact]
    public void Order_IsThatOfThePage() =>
        Assert.Equal("ef35e3a415c6cba7df7969b721e450ffa5f21187825aa03ecaf760c99e4adc66", new UnmaskOrder(Fixture.Masks, [0, 1, 3, 4], [300]).ComputeDigest().ToString());
}
