using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>
/// A Byzantine seat that works at it: votes for every block it hears of, nullifies and finalizes the same views, and, as a leader, proposes
/// different blocks to different peers, on whatever notarized parent it likes. It cannot forge other seats' signatures.
/// </summary>
internal sealed class Liar(World world, int seat)
{
    private readonly SortedDictionary<ulong, Certificate> _notarizations = [];
    private readonly SortedDictionary<ulong, Certificate> _nullifications = [];
    private readonly Dictionary<Digest, ExecutedBlock> _blocks = new() { [world.Genesis.Block.Digest] = world.Genesis };
    private readonly List<Transaction> _transactions = [];
    private ulong _view = 1;
    private ulong _led;

    public int Seat => seat;

    public void Receive(int from, ConsensusMessage message)
    {
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
        if (_led == _view || LeaderSchedule.LeaderOf(world.Validators, _view) != seat) return;
        _led = _view;
        for (var i = 0; i < 2 + world.Chance.Below(2); i++) ProposeOne();
    }

    private void Answer(int to, StatusMessage status)
    {
        var lie = (ulong)world.Chance.Below(1_000);
        world.Send(seat, to, new StatusMessage(status.Era, status.View + lie, status.FinalView + lie, status.FinalHeight + lie, [], world.Chance.Percent(50)));
    }

    // Valid blocks that nobody asked for, on whatever parent.
    private void SendJunk(int to)
    {
        var parent = world.Chance.Pick([.. _blocks.Values.OrderBy(block => block.Block.Digest)]);
        var junk = new List<Block>();
        for (var i = 0; i < 1 + world.Chance.Below(5); i++)
        {
            parent = world.Machine.Build(parent, parent.Block.Header.TimeMs + 1 + world.Chance.Below(50), seat, []);
            junk.Add(parent.Block);
        }

        world.Send(seat, to, new BlocksMessage(null, junk));
    }

    private void Hear(Propose propose)
    {
        foreach (var certificate in propose.Justification) Hear(certificate);
        if (_blocks.TryGetValue(propose.Block.Header.Parent, out var parent) && world.Machine.Execute(parent, propose.Block) is { } executed) _blocks[propose.Block.Digest] = executed;
        VoteFor(propose.View, VoteKind.Notarize, propose.ParentView, propose.Block.Digest);
        if (world.Chance.Percent(50)) VoteFor(propose.View, VoteKind.Nullify, 0, Digest.Zero);
        if (world.Chance.Percent(50)) VoteFor(propose.View, VoteKind.Finalize, 0, propose.Block.Digest);
    }

    private void Hear(Certificate certificate)
    {
        (certificate.Kind is VoteKind.Nullify ? _nullifications : _notarizations)[certificate.View] = certificate;
        if (certificate.Kind is not VoteKind.Nullify) VoteFor(certificate.View, VoteKind.Finalize, 0, certificate.Digest);
        if (certificate.View < _view) return;
        _view = certificate.View + 1;
        if (world.Chance.Percent(50)) VoteFor(_view, VoteKind.Nullify, 0, Digest.Zero);
        world.After(world.Chance.Between(0, 60_000), Lead);
    }

    private void ProposeOne()
    {
        var parents = _notarizations.Where(pair => pair.Key < _view && _blocks.ContainsKey(pair.Value.Digest)).Select(pair => (pair.Key, pair.Value.Digest)).Append((0UL, world.Genesis.Block.Digest)).OrderBy(pair => pair.Item1).ToList();
        var (parentView, digest) = world.Chance.Percent(50) ? parents[^1] : parents[Math.Max(0, parents.Count - 1 - world.Chance.Below(3))];
        var parent = _blocks[digest];
        var timeMs = Math.Max(world.NowMs, parent.Block.Header.TimeMs) + 1 + world.Chance.Below(50);
        var executed = world.Machine.Build(parent, timeMs, seat, _transactions.Where(_ => world.Chance.Percent(50)).TakeLast(4));
        _blocks[executed.Block.Digest] = executed;
        var justification = new List<Certificate>();
        if (_notarizations.TryGetValue(parentView, out var notarization)) justification.Add(notarization);
        for (var view = parentView + 1; view < _view; view++)
        {
            if (_nullifications.TryGetValue(view, out var nullification)) justification.Add(nullification);
        }

        var message = new Propose(_view, parentView, executed.Block, World.SignatureOf(seat), justification);
        ToSome(message);
        VoteFor(_view, VoteKind.Notarize, parentView, executed.Block.Digest);
    }

    private void VoteFor(ulong view, VoteKind kind, ulong parentView, Digest digest)
    {
        var vote = kind switch
        {
            VoteKind.Notarize => Vote.Notarize(world.Validators.Era, view, parentView, digest),
            VoteKind.Finalize => Vote.Finalize(world.Validators.Era, view, digest),
            _ => Vote.Nullify(world.Validators.Era, view),
        };
        ToSome(new VoteMessage(new SignedVote(vote, seat, World.SignatureOf(seat))));
    }

    private void ToSome(ConsensusMessage message)
    {
        for (var to = 0; to < world.Profile.Seats; to++)
        {
            if (to != seat && world.Chance.Percent(60)) world.Send(seat, to, message);
        }
    }
}
