using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

/// <summary>
/// A23: all validators lie and show two ledgers. To one part of the honest, the victim among them, the victim survived a small graph; to the other it dropped out of
/// the whole one. Does anybody come to hold both the victim's b and t shares of its seed?
/// </summary>
public sealed class ForkAttackTests
{
    private const int Count = 10;
    private const int Corrupt = 3;
    private const ushort Victim = 9;

    private static readonly ushort[] Liars = [0, 1, 2];

    [Fact]
    public void A23_NoForkGivesBothKinds()
    {
        // With τ counted on U2, which differs between the forks, three and four honest Confirms are enough for both.
        Assert.True(Succeeds(MaskRules.Correct with { CountOnCohort = false }, small: 8, honestInSmall: 3));
        // With no Confirms at all, all the more so.
        Assert.True(Succeeds(MaskRules.Correct with { AwaitConfirms = false }, small: 8, honestInSmall: 3));
        // As it is, however the honest are parted and however small the small graph is.
        for (var small = 8; small <= Count; small++)
        {
            for (var honest = 1; honest <= Count - Corrupt; honest++) Assert.False(Succeeds(MaskRules.Correct, small, honest), $"{small} {honest}");
        }
    }

    [Fact]
    public void A23_AtTheDesignsOwnSize_TheArithmeticHolds()
    {
        // n = 100, c = 4: τ on |U1| is 53, and two orders need 106 Confirms out of 96 + 2 · 4.
        var setup = new MaskWorld(4).Setups[0] with { CorruptLimit = 4, MinParticipants = 7 };
        Assert.Equal(53, setup.ConfirmThreshold(100));
        for (var n = 4; n <= 128; n++)
        {
            for (var c = 0; 3 * c < n; c++) Assert.True(2 * (setup with { CorruptLimit = c }).ConfirmThreshold(n) > n + c);
        }
    }

    // Corrupt: 0, 1, 2. The victim is shown the small graph, with the first honest ones.
    private static bool Succeeds(MaskRules rules, int small, int honestInSmall)
    {
        var world = new MaskWorld(Count, rules: rules, corrupt: Corrupt, minimum: Corrupt + 3);
        ushort[] everybody = [.. world.Everybody];
        world.Open(everybody);
        world.Share(everybody);
        world.Acknowledge(everybody);

        ushort[] inSmall = [.. Enumerable.Range(0, honestInSmall).Select(i => (ushort)(Victim - i))];
        ushort[] inWhole = [.. everybody.Where(i => i >= Corrupt && !inSmall.Contains(i))];
        // Who is left out of the small graph has, there, acknowledged nobody.
        ushort[] members = [.. inSmall.Concat(Liars).Concat(inWhole).Take(small).Order()];
        var smallAcks = world.AckList.Select((bits, i) => members.Contains((ushort)i) ? bits : null).ToArray();
        var smallOrder = Show(world, inSmall, smallAcks, member => true);
        var wholeOrder = Show(world, inWhole, world.AckList, member => member != Victim);
        if (smallOrder is null || wholeOrder is null) return false;

        var smallConfirms = Confirms(world, inSmall, smallOrder);
        var wholeConfirms = Confirms(world, inWhole, wholeOrder);
        var self = world.Step(Victim, new ConfirmsSeen(smallConfirms, 10, 20)).Message is Reveal own ? own.Self : default(ReadOnlyMemory<byte>?);
        var seeds = inWhole.Select(i => world.Step(i, new ConfirmsSeen(wholeConfirms, 10, 20)).Message).OfType<Reveal>().SelectMany(reveal => reveal.Openings.Entries.Where(entry => entry.Dealer == Victim).Select(entry => entry.Share)).ToList();
        // The corrupt ones open whatever they hold.
        seeds.AddRange(Liars.Select(i => world.States[i].Secrets!.Received[Victim].Half(ShareKind.Seed)));
        var threshold = GraphParameters.For(Count, FaultBound.Corrupt200Dropped100).Threshold;
        if (self is null || seeds.Count < threshold) return false;

        var seed = new byte[32];
        Shamir.Reconstruct([.. seeds.Take(threshold).Select(share => share.Point)], [.. seeds.Take(threshold).SelectMany(share => share.Share.ToArray())], seed);
        var state = world.States[Victim];
        using var masks = MaskTerms.OfInput(state.Context, state.Masks!, Victim, self.Value.Span, (neighbour, shared) => PairSecrets.TryAgree(seed, Victim, state.AdvertOf(neighbour), [], MaskRules.Correct, shared));
        var sum = new MaskedSum(world.Setups[Victim].Layout);
        sum.Take(0, [world.Inputs[Victim].Bytes!.Value], masks);
        Assert.Equal(world.Lanes[Victim], sum.Lanes.ToArray());
        return true;
    }

    // One fork: its graph, its inputs, its order; what the corrupt ones commit there is of no matter. Null if the honest refuse it.
    private static InputsClosed? Show(MaskWorld world, ushort[] honest, IReadOnlyList<ReadOnlyMemory<byte>?> acks, Func<ushort, bool> survives)
    {
        foreach (var i in honest)
        {
            if (world.Step(i, new AcksClosed(acks)).Fault is not MaskFault.None) return null;
            world.Inputs[i] = (CommitInput)world.Step(i, new UpdateReady(world.Lanes[i], MaskTail.Of(1))).Message!;
        }

        if (honest.Length == 0) return null;
        var state = world.States[honest[0]];
        var inputs = state.Masks!.Members.ToArray().Where(survives).Select(member => new CommittedInput(member, honest.Contains(member) ? world.Inputs[member].Root : Digest.Zero)).ToArray();
        return new(UnmaskOrder.Of(state.Context, state.Masks, inputs), inputs, 10, 20, MaskWorld.Fresh);
    }

    private static SignedConfirm[] Confirms(MaskWorld world, ushort[] honest, InputsClosed closed) =>
        [.. honest.Where(i => world.Step(i, closed).Fault is MaskFault.None).Concat(Liars).Select(i => new SignedConfirm(i, closed.Order.ComputeDigest()))];
}
