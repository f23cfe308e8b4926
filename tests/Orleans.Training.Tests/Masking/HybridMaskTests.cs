using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Masking;

/// <summary>Masks whose secrets are X25519's and ML-KEM's together: the same sums, and nothing for who breaks one of both.</summary>
public sealed class HybridMaskTests(ITestOutputHelper output)
{
    private const int EntryBytes = 177;

    /// <summary>Whoever drops out, small or large positions, and whoever crashes wherever: the sum is that of the survivors.</summary>
    [Fact]
    public void Sums_AreExact_WhoeverIsLost()
    {
        var seed = (ulong)Environment.TickCount64;
        output.WriteLine($"seed {seed}");
        foreach (ushort[] dropped in new ushort[][] { [], [0], [10], [0, 10], [3, 4] })
        {
            var world = new MaskWorld(11, seed, exchange: KeyExchange.Hybrid);
            world.Open(world.Everybody);
            CrashAll(world);
            world.Share(world.Everybody);
            CrashAll(world);
            world.Acknowledge(world.Everybody);
            CrashAll(world);
            world.Mask(world.Everybody);
            foreach (var i in dropped) world.Inputs.Remove(i);
            ushort[] survivors = [.. world.Everybody.Except(dropped)];
            foreach (var i in survivors) Assert.Equal(world.Inputs[i].Root, ((CommitInput)world.Crash(i).Message!).Root);
            world.Confirm(survivors);
            // One of them falls silent.
            ushort[] revealing = survivors[1..];
            world.Reveal(revealing);
            var removal = world.Removal(world.Any);
            Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
            foreach (var i in revealing) Assert.Equal(MaskFault.None, removal.TryAccept((RevealSilent)world.Step(i, new SilentClosed(world.Order.ComputeDigest(), survivors[..1], 10, 20)).Message!, survivors[..1]));
            Assert.Equal(MaskFault.None, removal.TryFinish(out var terms, out _));
            var sum = world.Sum(terms);
            Assert.Equal(MaskFault.None, sum.TryFinish(survivors.Length, out _));
            Assert.Equal(world.PlainSum(survivors), sum.Lanes.ToArray());
        }
    }

    [Fact]
    public void ABlob_HasTheFormOfThePage()
    {
        var world = Shared(5);
        // Of position 3 of five: four entries, four ciphertexts of envelopes, and one for the only larger neighbour.
        Assert.Equal((4 * EntryBytes) + (5 * 1120), world.Dealt[3].Blob!.Value.Length);
        Assert.Equal(4 * (EntryBytes + 1120), world.Dealt[4].Blob!.Value.Length);
        Assert.Equal(1216, world.Adverts[0].MaskKey.Length);
        var (bytes, blob) = (world.Dealt[3].Blob!.Value, world.BlobOf(3));
        Assert.Equal(bytes.Slice((4 * EntryBytes) + (4 * 1120), 1120).ToArray(), blob.PairCiphertext(4).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => blob.PairCiphertext(3));

        // What 4 finds there is what 3 has put there, and a seed alone gives both: that of 3 the coins, that of 4 the key.
        var (secret, found, made) = (new byte[32], new byte[32], new byte[32]);
        MaskKeys.MaskSecret(world.States[4].Secrets!.Seed, KeyExchange.Hybrid, secret);
        Assert.True(XWing.TryDecapsulate(secret, blob.PairCiphertext(4), found));
        byte[] Coins(ReadOnlyMemory<byte> key) => HKDF.DeriveKey(HashAlgorithmName.SHA256, world.States[3].Secrets!.Seed.ToArray(), 64, SHA256.HashData(key.Span), [5, .. "coins"u8, 3, 0, 4, 0]);
        var ciphertext = new byte[1120];
        Assert.True(XWing.TryEncapsulate(world.Adverts[4].MaskKey.Span, Coins(world.Adverts[4].MaskKey), ciphertext, made));
        Assert.Equal(found, made);
        Assert.Equal(blob.PairCiphertext(4).ToArray(), ciphertext);

        // A seed that becomes public opens no envelope.
        Assert.True(XWing.TryDecapsulate(secret, blob.EnvelopeCiphertext(4), found));
        var key = new byte[32];
        MaskKeys.EnvelopeKey(found, world.States[4].Cohort, 3, 4, key);
        Assert.Null(ShareEnvelope.TryOpen(key, world.States[4].Cohort, 3, 4, blob.Envelope(4)));
        Assert.True(XWing.TryEncapsulate(world.Adverts[4].EnvelopeKey.Span, Coins(world.Adverts[4].EnvelopeKey), ciphertext, made));
        Assert.NotEqual(blob.EnvelopeCiphertext(4).ToArray(), ciphertext);
        Assert.True(XWing.TryDecapsulate(world.States[4].Secrets!.EnvelopeSecret, blob.EnvelopeCiphertext(4), found));
        MaskKeys.EnvelopeKey(found, world.States[4].Cohort, 3, 4, key);
        using var opened = ShareEnvelope.TryOpen(key, world.States[4].Cohort, 3, 4, blob.Envelope(4));
        Assert.NotNull(opened);
    }

    /// <summary>A ciphertext that does not follow from the dealer's seed is found when the seed is: the dealer has signed it.</summary>
    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 6)]
    public void ADealer_WhoseCiphertextIsNotOfItsSeed_IsNamed(bool check, ushort dropped)
    {
        var world = Shared(7);
        var ciphertext = new byte[1120];
        // Another's coins: what 6 finds is right, and 0 masks with something else.
        Assert.True(XWing.TryEncapsulate(world.Adverts[6].MaskKey.Span, SHA512.HashData("other coins"u8), ciphertext, new byte[32]));
        Replace(world, 0, bytes => ciphertext.CopyTo(bytes.AsSpan((6 * EntryBytes) + (11 * 1120))));
        world.Acknowledge(world.Everybody);
        Assert.True(world.States[6].Secrets!.Received.ContainsKey(0));
        world.Mask(world.Everybody.Where(i => i != dropped));
        ushort[] rest = [.. world.Everybody.Where(i => i != dropped)];
        world.Confirm(rest);
        world.Reveal(rest);
        var removal = world.Removal(world.Any);
        Assert.All(world.Reveals.Values, reveal => Assert.Equal(MaskFault.None, removal.TryAccept(reveal)));
        var fault = removal.TryFinish(MaskRules.Correct with { CheckSecrets = check }, out var terms, out var culprit);
        if (check && dropped == 0) Assert.Equal((MaskFault.DealerFault, (ushort)0), (fault, culprit));
        else
        {
            // With the defence off, and where 0 itself has survived: like any update that is masked with something else, and nobody can tell whose.
            Assert.Equal(MaskFault.None, fault);
            Assert.Equal(MaskFault.CanaryMismatch, world.Sum(terms).TryFinish(6, out _));
        }
    }

    [Fact]
    public void CiphertextsOfOthers_AndBrokenOnes_TakeTheEdgeAway()
    {
        foreach (Action<byte[]> change in new Action<byte[]>[]
        {
            // Those of the envelopes for 1 and 2 exchanged; one bit of that for 1; the point of X25519 in that for the masks with 1 is none.
            bytes => { var one = bytes.AsSpan(6 * EntryBytes, 1120).ToArray(); bytes.AsSpan((6 * EntryBytes) + 1120, 1120).CopyTo(bytes.AsSpan(6 * EntryBytes)); one.CopyTo(bytes.AsSpan((6 * EntryBytes) + 1120)); },
            bytes => bytes[(6 * EntryBytes) + 7] ^= 1,
            bytes => bytes.AsSpan((6 * EntryBytes) + (6 * 1120) + 1088, 32).Clear(),
        })
        {
            var world = Shared(7);
            Replace(world, 0, change);
            world.Acknowledge(world.Everybody);
            Assert.False(world.States[1].Secrets!.Received.ContainsKey(0));
            Assert.True(world.States[3].Secrets!.Received.ContainsKey(0));
        }

        // A blob as X25519 has it is none.
        var short_ = Shared(7);
        short_.Dealt[0] = new(short_.Dealt[0].Commit, short_.Dealt[0].Blob!.Value[..(6 * EntryBytes)]);
        short_.Acknowledge(short_.Everybody);
        Assert.All(short_.Everybody.Skip(1), i => Assert.False(short_.States[i].Secrets!.Received.ContainsKey(0)));
    }

    [Fact]
    public void KeysOfTheOtherExchange_EndTheAttempt()
    {
        foreach (var exchange in new[] { KeyExchange.X25519, KeyExchange.Hybrid })
        {
            var world = new MaskWorld(5, exchange: exchange);
            world.Open(world.Everybody);
            using var other = new MaskSecrets([.. Enumerable.Repeat((byte)9, MaskSecrets.RandomBytes)]);
            world.Adverts[2] = other.Advert(2, exchange is KeyExchange.Hybrid ? KeyExchange.X25519 : KeyExchange.Hybrid);
            Assert.Equal(MaskFault.WrongLength, world.Step(1, new KeysClosed(world.Adverts, world.Beacon)).Fault);
        }

        var weak = new MaskWorld(5, exchange: KeyExchange.Hybrid);
        weak.Open(weak.Everybody);
        weak.Adverts[2] = KeyAdvert.Create(2, [.. weak.Adverts[2].MaskKey.Span[..1184], .. new byte[32]], weak.Adverts[2].EnvelopeKey.Span, weak.Adverts[2].Nonce);
        Assert.Equal(MaskFault.WeakKey, weak.Step(1, new KeysClosed(weak.Adverts, weak.Beacon)).Fault);
    }

    /// <summary>Who has kept everything that was public and can compute every secret key of X25519 later reads an update, unless the exchange was hybrid.</summary>
    [Theory]
    [InlineData(KeyExchange.X25519)]
    [InlineData(KeyExchange.Hybrid)]
    public void WhoBreaksX25519Later_ReadsUpdates_UnlessTheyAreHybrid(KeyExchange exchange)
    {
        const ushort victim = 2;
        var world = new MaskWorld(7, exchange: exchange);
        world.Open(world.Everybody);
        world.Share(world.Everybody);
        world.Acknowledge(world.Everybody);
        world.Mask(world.Everybody);
        world.Confirm(world.Everybody);
        world.Reveal(world.Everybody);
        var state = world.States[victim];

        // b is public. What X25519 gives for each pair is all that the masks follow from, or one half of it; of the other half nothing is known.
        bool Broken(ushort neighbour, Span<byte> shared)
        {
            var (smaller, larger) = (Math.Min(victim, neighbour), Math.Max(victim, neighbour));
            var secret = new byte[32];
            MaskKeys.MaskSecret(world.States[larger].Secrets!.Seed, exchange, secret);
            if (exchange is KeyExchange.X25519) return MaskKeys.TryAgree(secret, world.Adverts[smaller].MaskKey.Span, shared);
            var (expanded, half) = (new byte[96], new byte[32]);
            Shake256.HashData(secret, expanded);
            var ciphertext = world.BlobOf(smaller).PairCiphertext(state.Graph!.PointOf(smaller, larger));
            Assert.True(MaskKeys.TryAgree(expanded.AsSpan(64), ciphertext[1088..], half));
            SHA3_256.HashData([.. new byte[32], .. half, .. ciphertext[1088..], .. world.Adverts[larger].MaskKey.Span[1184..], .. @"\.//^\"u8], shared);
            return true;
        }

        using var masks = MaskTerms.OfInput(state.Context, state.Masks!, victim, world.Reveals[victim].Self.Span, Broken);
        var sum = new MaskedSum(world.Setups[victim].Layout);
        sum.Take(0, [world.Inputs[victim].Bytes!.Value], masks);
        var fault = sum.TryFinish(1, out _);
        Assert.Equal(exchange is KeyExchange.X25519 ? MaskFault.None : MaskFault.CanaryMismatch, fault);
        Assert.Equal(exchange is KeyExchange.X25519, sum.Lanes.Span.SequenceEqual(world.Lanes[victim]));
    }

    private static MaskWorld Shared(int count)
    {
        var world = new MaskWorld(count, exchange: KeyExchange.Hybrid);
        world.Open(world.Everybody);
        world.Share(world.Everybody);
        return world;
    }

    private static void CrashAll(MaskWorld world)
    {
        foreach (var i in world.Everybody)
        {
            var last = MaskParticipant.LastMessage(world.States[i]);
            Assert.Equal(MaskParticipantTests.Bytes(last), MaskParticipantTests.Bytes(world.Crash(i).Message));
        }
    }

    private static void Replace(MaskWorld world, ushort dealer, Action<byte[]> change)
    {
        var bytes = world.Dealt[dealer].Blob!.Value.ToArray();
        change(bytes);
        world.Dealt[dealer] = new(world.Dealt[dealer].Commit with { BlobRoot = ChunkedBlob.Root(bytes) }, bytes);
    }
}
