using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using static Orleans.Training.Tests.Masking.MaskParticipantTests;

namespace Orleans.Training.Tests.Masking;

/// <summary>Attacks with envelopes, shares and openings: docs/spec/fedmask.md §12.</summary>
public sealed class ShareAttackTests
{
    [Fact]
    public void Envelope_HasTheFormOfThePage()
    {
        var world = Shared(5);
        Assert.Equal(4 * 177, world.Dealt[0].Blob!.Value.Length);
        world.Acknowledge(world.Everybody);
        var envelope = world.States[2].Secrets!.Received[0];
        var (seed, self) = (envelope.Half(ShareKind.Seed), envelope.Half(ShareKind.Self));
        byte[] plain = [2, .. seed.Share.Span, .. seed.Salt.Span, .. self.Share.Span, .. self.Salt.Span];
        Assert.Equal(97, plain.Length);
        Assert.Equal(plain, envelope.Plain.ToArray());
        Assert.NotEqual(seed.Salt.ToArray(), self.Salt.ToArray());

        // AES-256-GCM with a zero nonce under the names, opened by the platform's own hand.
        var key = EnvelopeKey(world, 2, 0, from: 0, to: 2);
        using var gcm = new System.Security.Cryptography.AesGcm(key, 16);
        var entry = world.Dealt[0].Blob!.Value.Slice(177, 177).ToArray();
        var opened = new byte[97];
        gcm.Decrypt(new byte[12], entry.AsSpan(64, 97), entry.AsSpan(161, 16), opened, [.. world.States[2].Cohort.Digest.ToArray(), 0, 0, 2, 0]);
        Assert.Equal(plain, opened);
        Assert.Equal(entry[..32], seed.Leaf(ShareKind.Seed, world.States[2].Cohort, 0, 2).ToArray());
        Assert.Equal(entry[32..64], self.Leaf(ShareKind.Self, world.States[2].Cohort, 0, 2).ToArray());
    }

    [Fact]
    public void A6_AnEnvelopeForAnother_OrReflected_OpensForNobody()
    {
        // Entries of two neighbours exchanged, commitments made to fit: their keys differ.
        var world = Shared(5);
        Replace(world, 0, bytes =>
        {
            var first = bytes[64..177].ToArray();
            bytes.AsSpan(177 + 64, 113).CopyTo(bytes.AsSpan(64));
            first.CopyTo(bytes, 177 + 64);
        });
        Assert.Equal(MaskFault.EnvelopeUnreadable, Take(world, 1, 0));
        Assert.Equal(MaskFault.EnvelopeUnreadable, Take(world, 2, 0));
        Assert.Equal(MaskFault.None, Take(world, 3, 0));

        // 1's own envelope for 0 sent back as 0's for 1: both directions agree on one X25519 value.
        foreach (var bind in new[] { true, false })
        {
            var rules = MaskRules.Correct with { BindEnvelopes = bind, CheckLeaves = false };
            var mirror = Shared(5, rules);
            var own = mirror.Dealt[1].Blob!.Value.Slice(64, 113).ToArray();
            Replace(mirror, 0, bytes => own.CopyTo(bytes, 64));
            Assert.Equal(bind ? MaskFault.EnvelopeUnreadable : MaskFault.None, Take(mirror, 1, 0));
        }
    }

    [Fact]
    public void A7_AFlippedBit_RemovesTheEdge_AndNothingElse()
    {
        var world = Shared(7);
        Replace(world, 0, bytes => bytes[64 + 5] ^= 1);
        Assert.Equal(MaskFault.EnvelopeUnreadable, Take(world, 1, 0));
        world.Acknowledge(world.Everybody);
        Assert.Equal((0b111110, 0b111111), (world.Acks[1].Span[0], world.Acks[2].Span[0]));
        world.Mask(world.Everybody);
        Assert.False(world.Any.Masks!.Neighbours(0).Contains((ushort)1) || world.Any.Masks.Neighbours(1).Contains((ushort)0));
        ushort[] everybody = [.. world.Everybody];
        world.Confirm(everybody);
        world.Reveal(everybody);
        var removal = world.Removal(world.Any);
        Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
        Assert.Equal(MaskFault.None, removal.TryFinish(out var terms, out _));
        Assert.Equal(world.PlainSum(everybody), world.Sum(terms).Lanes.ToArray());
    }

    [Fact]
    public void Blob_ThatIsMissingCutOrNotTheCommittedOne_RemovesTheEdge()
    {
        var world = Shared(5);
        var dealt = world.Dealt[0];
        world.Dealt[0] = dealt with { Blob = null };
        Assert.Equal(MaskFault.BlobMissing, Take(world, 1, 0));
        world.Dealt[0] = dealt with { Blob = dealt.Blob!.Value[1..] };
        Assert.Equal(MaskFault.WrongLength, Take(world, 1, 0));
        byte[] changed = [.. dealt.Blob!.Value.Span];
        changed[^1] ^= 1;
        world.Dealt[0] = dealt with { Blob = changed };
        Assert.Equal(MaskFault.BlobMismatch, Take(world, 1, 0));
        world.Dealt.Remove(0);
        world.Acknowledge(1);
        Assert.Equal(0b1110, world.Acks[1].Span[0]);
    }

    [Fact]
    public void A8_AShareThatMissesItsLeaf_IsNotAcknowledged()
    {
        foreach (var check in new[] { true, false })
        {
            var world = Shared(5, MaskRules.Correct with { CheckLeaves = check });
            // Leaves of another dealing, under commitments that fit them: an acknowledged share that could never be opened.
            Replace(world, 0, bytes => bytes[3] ^= 1);
            Assert.Equal(check ? MaskFault.LeafMismatch : MaskFault.None, Take(world, 1, 0));
            Replace(world, 0, bytes => bytes[177 + 32 + 3] ^= 1);
            Assert.Equal(check ? MaskFault.LeafMismatch : MaskFault.None, Take(world, 2, 0));
            Assert.Equal(MaskFault.None, Take(world, 3, 0));

            // A share for another point than the holder's, with a leaf that fits it.
            Replace(world, 0, bytes =>
            {
                var state = world.States[4];
                var key = EnvelopeKey(world, 0, 4, from: 0, to: 4);
                using var honest = ShareEnvelope.TryOpen(key, state.Cohort, 0, 4, bytes.AsSpan((3 * 177) + 64, 113))!;
                using var other = new ShareEnvelope([5, .. honest.Plain[1..]]);
                other.Half(ShareKind.Seed).Leaf(ShareKind.Seed, state.Cohort, 0, 4).CopyTo(bytes.AsSpan(3 * 177));
                other.Half(ShareKind.Self).Leaf(ShareKind.Self, state.Cohort, 0, 4).CopyTo(bytes.AsSpan((3 * 177) + 32));
                other.Seal(key, state.Cohort, 0, 4, bytes.AsSpan((3 * 177) + 64, 113));
            });
            Assert.Equal(check ? MaskFault.LeafMismatch : MaskFault.None, Take(world, 4, 0));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A9_ADealerOfAnotherSecret_OrOfTwoPolynomials_IsNamed(bool check)
    {
        foreach (var twoPolynomials in new[] { true, false })
        {
            var world = Shared(7);
            var state = world.States[0];
            var keys = world.Everybody.Where(i => i != 0).SelectMany(i => EnvelopeKey(world, 0, i, from: 0, to: i)).ToArray();
            var other = ShareBlob.Deal(state.Cohort, state.Graph!, 0, twoPolynomials ? state.Secrets!.Seed : Digest.Of("other"u8).ToArray(), state.Secrets!.Self, Digest.Of("dealing"u8).ToArray(), keys, []);
            // Every leaf is right and every envelope opens: only t openings together show it.
            Replace(world, 0, bytes => other.Bytes.Span[..(twoPolynomials ? 3 * 177 : bytes.Length)].CopyTo(bytes));
            world.Acknowledge(world.Everybody);
            world.Mask(world.Everybody.Skip(1));
            ushort[] rest = [1, 2, 3, 4, 5, 6];
            world.Confirm(rest);
            world.Reveal(rest);
            var removal = world.Removal(world.Any);
            Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
            var rules = MaskRules.Correct with { CheckSecrets = check };
            Assert.Equal(check ? MaskFault.DealerFault : MaskFault.None, removal.TryFinish(rules, out var terms, out var culprit));
            Assert.Equal(0, culprit);
            if (!check) Assert.NotEqual(world.PlainSum(rest), world.Sum(terms).Lanes.ToArray());
        }
    }

    [Fact]
    public void A10_AHolderThatOpensAnotherShare_OrTooFew_IsNamed_AndTheOthersGoOn()
    {
        var world = Masked(7, out var everybody);
        world.Inputs.Remove(0);
        ushort[] rest = [.. everybody.Skip(1)];
        world.Confirm(rest);
        world.Reveal(rest);
        var (removal, honest) = (world.Removal(world.States[1]), world.Reveals[1]);
        var share = honest.Openings.Entries.Single().Share;
        byte[] altered = [.. share.Share.Span];
        altered[0] ^= 1;
        ShareOpenings[] lies =
        [
            ShareOpenings.Create(ShareKind.Seed, [new(0, share with { Share = altered })]), ShareOpenings.Create(ShareKind.Seed, [new(0, share with { Point = 2 })]), ShareOpenings.Create(ShareKind.Seed, []),
            ShareOpenings.Create(ShareKind.Self, [new(0, share)]), ShareOpenings.Create(ShareKind.Seed, [new(0, share), new(2, share)]), ShareOpenings.Create(ShareKind.Seed, [new(2, share)]),
        ];
        Assert.All(lies, lie => Assert.Equal(MaskFault.HolderFault, removal.TryAccept(honest with { Openings = lie })));
        Assert.Equal(MaskFault.HolderFault, removal.TryAccept(honest with { Self = altered }));
        Assert.Equal(MaskFault.ContextMismatch, removal.TryAccept(honest with { Context = Digest.Zero }));
        Assert.Equal(MaskFault.OrderConflict, removal.TryAccept(honest with { Order = Digest.Zero }));
        Assert.Equal(MaskFault.NotTakingPart, removal.TryAccept(honest with { Position = 0 }));

        // Without 1 there are five: t of them. Its b is put together from them like everybody's who is silent.
        foreach (var i in rest.Skip(1)) Assert.Equal(MaskFault.None, removal.TryAccept(world.Reveals[i]));
        Assert.Equal(MaskFault.AlreadyRevealed, removal.TryAccept(world.Reveals[2]));
        Assert.Equal([1], removal.Silent);
        Assert.Equal((MaskFault.DegreeTooSmall, (ushort)1), (removal.TryFinish(out _, out var culprit), culprit));
        foreach (var i in rest.Skip(1)) Assert.Equal(MaskFault.None, removal.TryAccept((RevealSilent)world.Step(i, new SilentClosed(world.Order.ComputeDigest(), [1], 10, 20)).Message!, [1]));
        Assert.Equal(MaskFault.None, removal.TryFinish(out var terms, out _));
        Assert.Equal(world.PlainSum(rest), world.Sum(terms).Lanes.ToArray());

        // With the defence off an altered share alone gives another seed.
        var state = world.States[1];
        var blob = world.BlobOf(0);
        var openings = rest.Select(i => (i, i == 1 ? share with { Share = altered } : world.Reveals[i].Openings.Entries[0].Share)).ToArray();
        var seed = new byte[32];
        var trusting = MaskRules.Correct with { CheckLeaves = false, CheckSecrets = false };
        Assert.Equal(MaskFault.None, SecretRecovery.TryRecover(ShareKind.Seed, state.Cohort, state.Graph!, 0, blob, world.Adverts[0], world.Dealt[0].Commit, openings, trusting, seed));
        Assert.NotEqual(world.Adverts[0].MaskKey.ToArray(), MaskKeys.MaskPublicKeyOf(seed, KeyExchange.X25519));
        Assert.Equal(MaskFault.None, SecretRecovery.TryRecover(ShareKind.Seed, state.Cohort, state.Graph!, 0, blob, world.Adverts[0], world.Dealt[0].Commit, openings, seed));
        Assert.Equal(world.Adverts[0].MaskKey.ToArray(), MaskKeys.MaskPublicKeyOf(seed, KeyExchange.X25519));
        // One holder counts once, however often it says the same; and who is no neighbour does not count.
        var few = openings.Skip(1).Take(4).ToArray();
        Assert.Equal(MaskFault.DegreeTooSmall, SecretRecovery.TryRecover(ShareKind.Seed, state.Cohort, state.Graph!, 0, blob, world.Adverts[0], world.Dealt[0].Commit, [.. few, .. few, ((ushort)0, share), ((ushort)9, share)], seed));
        Assert.All(seed, value => Assert.Equal(0, value));
    }

    [Fact]
    public void A19_OneHolderFewerThanTheThreshold_KnowsNothing()
    {
        var world = Shared(7);
        world.Acknowledge(world.Everybody);
        var (state, threshold) = (world.States[1], world.States[1].Graph!.Threshold);
        var blob = world.BlobOf(0);
        var held = world.Everybody.Where(i => i is not 0).Take(threshold - 1).Select(i => (Holder: i, Share: world.States[i].Secrets!.Received[0].Half(ShareKind.Self))).ToArray();
        var secret = new byte[32];
        Assert.Equal(MaskFault.DegreeTooSmall, SecretRecovery.TryRecover(ShareKind.Self, state.Cohort, state.Graph!, 0, blob, world.Adverts[0], world.Dealt[0].Commit, held, secret));
        // With every value of the one share that they lack another value of the secret's byte goes along: all 256 are left.
        byte[] points = [.. held.Select(item => item.Share.Point), 6];
        var seen = new HashSet<byte>();
        for (var guess = 0; guess < 256; guess++)
        {
            Shamir.Reconstruct(points, [.. held.SelectMany(item => item.Share.Share.ToArray()), .. Enumerable.Repeat((byte)guess, 32)], secret);
            seen.Add(secret[0]);
        }

        Assert.Equal(256, seen.Count);
    }

    private static MaskWorld Shared(int count, MaskRules? rules = null)
    {
        var world = new MaskWorld(count, rules: rules);
        world.Open(world.Everybody);
        world.Share(world.Everybody);
        return world;
    }

    // Changes a dealer's blob and makes its commitments fit: a dealer that lies.
    private static void Replace(MaskWorld world, ushort dealer, Action<byte[]> change)
    {
        var bytes = world.Dealt[dealer].Blob!.Value.ToArray();
        change(bytes);
        world.Dealt[dealer] = new(world.Dealt[dealer].Commit with { BlobRoot = ChunkedBlob.Root(bytes) }, bytes);
    }

    private static MaskFault Take(MaskWorld world, ushort holder, ushort dealer)
    {
        var state = world.States[holder];
        var key = EnvelopeKey(world, holder, dealer, world.Rules.BindEnvelopes ? dealer : (ushort)0, world.Rules.BindEnvelopes ? holder : (ushort)0);
        return ShareBlob.TryTake(world.Dealt[dealer].Commit, world.Dealt[dealer].Blob, state.Cohort, state.Graph!, holder, KeyExchange.X25519, (_, _, found) => key.CopyTo(found), world.Rules, out _, out _);
    }

    private static byte[] EnvelopeKey(MaskWorld world, ushort own, ushort other, ushort from, ushort to)
    {
        var (shared, key) = (new byte[32], new byte[32]);
        Assert.True(MaskKeys.TryAgree(world.States[own].Secrets!.EnvelopeSecret, world.Adverts[other].EnvelopeKey.Span, shared));
        MaskKeys.EnvelopeKey(shared, world.States[own].Cohort, from, to, key);
        return key;
    }
}
