using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// A Byzantine seat that works at it: votes for every block it hears of, nullifies and finalizes the same views, and, as a leader, proposes
/// different blocks to different peers, on whatever notarized parent it likes, in every era in which it has a seat. It cannot forge other seats' signatures.
/// </summary>
internal sealed class Liar(World world, int node)
{
    private readonly SortedDictionary<ulong, Certificate> _notarizations = [];
    private readonly SortedDictionary<ulong, Certificate> _nullifications = [];
    private readonly Dictionary<Digest, ExecutedBlock> _blocks = new() { [world.Genesis.Block.Digest] = world.Genesis };
    private readonly List<Transaction> _transactions = [];
    private ValidatorSet _set = world.Validators;
    private ExecutedBlock _root = world.Genesis;
    private ulong _view = 1;
    private ulong _led;

    public int Node => node;

    // Each liar has a lie that it likes: one told now and then is seldom told where it could do harm.
    private enum Lie
    {
        Equivocation,
        WrongParent,
        FutureTime,
        WrongResult,
    }

    private readonly Lie? _favourite = world.Chance.Below(6) is < 4 and var lie ? (Lie)lie : null;

    private bool IsTold(Lie lie) => world.Chance.Percent(_favourite == lie ? 90 : _favourite is null ? 20 : 5);

    // A seat that has lost its vote key has nothing to lie with.
    private int Seat => _set.SeatOf(world.Entry(node, 0).TransactionKey.Id) is var seat && _set.CanVote(seat) ? seat : -1;

    public void Receive(int from, ConsensusMessage message)
    {
        Follow();
        switch (message)
        {
            case Propose propose: Hear(propose); break;
            case CertificateMessage { Certificates: var certificates }: foreach (var certificate in certificates) Hear(certificate); break;
            case TransactionGossip gossip: _transactions.AddRange(gossip.Transactions); break;
            case StatusMessage { WantsReply: true } status: Answer(from, status); break;
            case GetBlocks: SendJunk(from); break;
            case VoteMessage { Vote: { } vote } when world.Chance.Percent(30): VoteFor(vote.Vote.View, vote.Vote.Kind, vote.Vote.ParentView, vote.Vote.Digest); break;
        }
    }

    public void Lead()
    {
        if (_led == _view || Seat < 0 || LeaderSchedule.LeaderOf(_set, _view) != Seat) return;
        _led = _view;
        if (IsTold(Lie.Equivocation))
        {
            for (var i = 0; i < 2 + world.Chance.Below(2); i++) ProposeOne(60);
            return;
        }

        ProposeOne(100);
    }

    // It knows at once when an era is over.
    private void Follow()
    {
        if (world.Witness.Era == _set.Era || world.Witness.Find(world.Witness.Era) is not var (set, root)) return;
        (_set, _root, _view, _led) = (set, root, 1, 0);
        _notarizations.Clear();
        _nullifications.Clear();
        _blocks[root.Block.Digest] = root;
        world.After(world.Chance.Between(0, 60_000), Lead);
    }

    private void Answer(int to, StatusMessage status)
    {
        var lie = (ulong)world.Chance.Below(1_000);
        world.Send(node, to, new StatusMessage(status.Era, status.View + lie, status.FinalView + lie, status.FinalHeight + lie, [], world.Chance.Percent(50)));
    }

    // Valid blocks that nobody asked for, on whatever parent.
    private void SendJunk(int to)
    {
        var parent = world.Chance.Pick([.. _blocks.Values.OrderBy(block => block.Block.Digest)]);
        var junk = new List<Block>();
        for (var i = 0; i < 1 + world.Chance.Below(5); i++)
        {
            parent = world.Machine.Build(parent, parent.Block.Header.TimeMs + 1 + world.Chance.Below(50), Math.Max(0, Seat), []);
            junk.Add(parent.Block);
        }

        world.Send(node, to, new BlocksMessage(null, junk));
    }

    private void Hear(Propose propose)
    {
        if (propose.Vote.Era != _set.Era) return;
        foreach (var certificate in propose.Justification) Hear(certificate);
        if (_blocks.TryGetValue(propose.Block.Header.Parent, out var parent) && world.Machine.Execute(parent, propose.Block) is { } executed) _blocks[propose.Block.Digest] = executed;
        VoteFor(propose.View, VoteKind.Notarize, propose.ParentView, propose.Block.Digest);
        if (world.Chance.Percent(50)) VoteFor(propose.View, VoteKind.Nullify, 0, Digest.Zero);
        if (world.Chance.Percent(50)) VoteFor(propose.View, VoteKind.Finalize, 0, propose.Block.Digest);
    }

    private void Hear(Certificate certificate)
    {
        if (certificate.Vote.Era != _set.Era) return;
        (certificate.Kind is VoteKind.Nullify ? _nullifications : _notarizations)[certificate.View] = certificate;
        if (certificate.Kind is not VoteKind.Nullify) VoteFor(certificate.View, VoteKind.Finalize, 0, certificate.Digest);
        if (certificate.View < _view) return;
        _view = certificate.View + 1;
        if (world.Chance.Percent(50)) VoteFor(_view, VoteKind.Nullify, 0, Digest.Zero);
        world.After(world.Chance.Between(0, 60_000), Lead);
    }

    private void ProposeOne(int percent)
    {
        var parents = _notarizations.Where(pair => pair.Key < _view && _blocks.ContainsKey(pair.Value.Digest)).Select(pair => (pair.Key, pair.Value.Digest)).Append((0UL, _root.Block.Digest)).OrderBy(pair => pair.Item1).ToList();
        var isWrongParent = IsTold(Lie.WrongParent) && parents.Count > 1;
        var (parentView, digest) = isWrongParent ? parents[^2] : world.Chance.Percent(50) ? parents[^1] : parents[Math.Max(0, parents.Count - 1 - world.Chance.Below(3))];
        var parent = _blocks[digest];
        // A child of a sealing block is of an era in which this seat is another one, or none.
        if (Seat < 0 || (parent.Seals is not null && parent != _root)) return;
        var timeMs = Math.Max(world.NowMs, parent.Block.Header.TimeMs) + 1 + world.Chance.Below(IsTold(Lie.FutureTime) ? 60_000 : 50);
        var executed = world.Machine.Build(parent, timeMs, Seat, _transactions.Where(_ => world.Chance.Percent(50)).TakeLast(4));
        var block = executed.Block;
        if (IsTold(Lie.WrongResult)) block = Block.Create(block.Header with { TreeRoot = Digest.Of(block.Digest.ToArray()) }, block.Body);
        else _blocks[block.Digest] = executed;
        // Says that the parent is what another view notarized: then nothing has to be null between.
        if (isWrongParent) parentView = parents[^1].Item1;
        var justification = new List<Certificate>();
        if (_notarizations.TryGetValue(parentView, out var notarization)) justification.Add(notarization);
        for (var view = parentView + 1; view < _view; view++)
        {
            if (_nullifications.TryGetValue(view, out var nullification)) justification.Add(nullification);
        }

        var message = new Propose(_view, parentView, block, world.Sign(node, Seat, Vote.Notarize(_set.Era, _view, parentView, block.Digest)), justification);
        ToSome(message, percent);
        VoteFor(_view, VoteKind.Notarize, parentView, block.Digest);
    }

    private void VoteFor(ulong view, VoteKind kind, ulong parentView, Digest digest)
    {
        if (Seat < 0) return;
        var vote = kind switch
        {
            VoteKind.Notarize => Vote.Notarize(_set.Era, view, parentView, digest),
            VoteKind.Finalize => Vote.Finalize(_set.Era, view, digest),
            _ => Vote.Nullify(_set.Era, view),
        };
        ToSome(new VoteMessage(new SignedVote(vote, Seat, world.Sign(node, Seat, vote))));
    }

    private void ToSome(ConsensusMessage message, int percent = 60)
    {
        for (var to = 0; to < world.Nodes; to++)
        {
            if (to != node && world.Chance.Percent(percent)) world.Send(node, to, message);
        }
    }
}
