using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Links;

/// <summary>Who may have links while organisations come and go: every rule, and what is refused for want of it.</summary>
public sealed class LinkMembersTests
{
    private readonly TestShard _shard = new();
    private readonly TestGovernance _governance;

    public LinkMembersTests() => _governance = new TestGovernance(_shard);

    private LinkMembers Now => LinkMembers.Of(_shard.Genesis, _shard.State);

    [Fact]
    public void WhoWasNeverProposed_IsNotLetIn()
    {
        var stranger = _governance.Newcomer("stranger");
        Assert.False(Now.Admits(IdentityOf(stranger)));
        Assert.False(Now.Contains(stranger.Organisation));
        Assert.All(_shard.Genesis.Validators.Seats, seat => Assert.True(Now.Admits(IdentityOf(seat))));
    }

    [Fact]
    public void ANewcomer_IsLetIn_TheMomentAQuorumIsForIt()
    {
        var newcomer = _governance.Newcomer("newcomer");
        var change = SeatChange.Add(newcomer);
        _shard.Send("va", new ProposeChange(change));
        _shard.Send("cleveland", new VoteOnChange(change.ComputeDigest(), true));
        Assert.False(Now.Admits(IdentityOf(newcomer)));
        _shard.Send("hungarian", new VoteOnChange(change.ComputeDigest(), true));
        Assert.Equal(ChangeState.Approved, _governance.Change(change.ComputeDigest()).State);
        Assert.True(Now.Admits(IdentityOf(newcomer)));
        Assert.Equal(Rejection.None, _governance.Ready(newcomer));
        Assert.Equal(2UL, _governance.Validators.Era);
        Assert.True(Now.Admits(IdentityOf(newcomer)));
        Assert.Equal(5, Now.Present.Count);
    }

    [Fact]
    public void AChangeThatIsRefused_OrLapses_LetsNobodyIn()
    {
        var (one, two) = (_governance.Newcomer("one"), _governance.Newcomer("two"));
        var refused = SeatChange.Add(one);
        _shard.Send("va", new ProposeChange(refused));
        foreach (var seat in new[] { "cleveland", "hungarian" }) _shard.Send(seat, new VoteOnChange(refused.ComputeDigest(), false));
        Assert.Equal(ChangeState.Refused, _governance.Change(refused.ComputeDigest()).State);
        Assert.False(Now.Admits(IdentityOf(one)));

        var lapsing = _governance.Approve(SeatChange.Add(two));
        Assert.True(Now.Admits(IdentityOf(two)));
        _shard.Commit(Limits.ChangeWindowMs);
        Assert.Equal(ChangeState.Lapsed, _governance.Change(lapsing).State);
        Assert.False(Now.Admits(IdentityOf(two)));
    }

    [Fact]
    public void WhoHasLeft_IsLetGo_AfterTheNextEra()
    {
        var va = _governance.Seat("va");
        var one = _governance.Newcomer("one");
        _governance.Approve(SeatChange.Replace(va.TransactionKey.Id, one));
        Assert.Equal(Rejection.None, _governance.Ready(one));
        Assert.Equal(2UL, _governance.Validators.Era);
        // It may be behind and want the end of the era that it knows.
        Assert.True(Now.Admits(IdentityOf(va)));
        Assert.Equal(Rejection.None, _governance.Redelegate("cleveland", "cleveland2"));
        Assert.Equal(3UL, _governance.Validators.Era);
        Assert.False(Now.Admits(IdentityOf(va)));
        Assert.False(Now.Contains(va.Organisation));
        Assert.True(Now.Admits(IdentityOf(one)));
    }

    [Fact]
    public void AnOrganisation_IsLetIn_WithTheKeyOfItsSeatOnly()
    {
        var other = TestShard.Key("cleveland/more").Public;
        Assert.Equal(Rejection.None, _shard.Send("cleveland", new AddKey(other)));
        Assert.False(Now.Admits(new LinkIdentity(ParticipantId.Parse("cleveland"), other.Id)));
        // A good key under another's name.
        Assert.False(Now.Admits(new LinkIdentity(ParticipantId.Parse("cleveland"), _governance.Seat("va").TransactionKey.Id)));
    }

    // The same rules where they count: at the door, and for links that are there already.
    [Fact]
    public async Task AHandshake_IsRefused_AndALinkEnds_WhenItsOrganisationHasLeft()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var one = await TestSeats.Certificate(1);
        using var other = await TestSeats.Certificate(3);
        var members = true;
        var pipe = new PipePair();
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, pipe.Right, TestSeats.Name(3), _ => members, limit.Token);
        var (stream, peer) = await LinkHandshake.AsDialler(TestSeats.Genesis, one, pipe.Left, TestSeats.Name(3), _ => true, limit.Token);
        Assert.Equal(TestSeats.Identity(3), peer);
        await using var theirs = new SeatLink(peer, stream);
        await using var ours = new SeatLink((await listening).Peer, (await listening).Stream);
        var heard = new List<LinkFrameKind>();
        var running = ours.Run((_, kind, _) => { lock (heard) heard.Add(kind); }, _ => members, limit.Token);
        _ = theirs.Run((_, _, _) => { }, _ => true, limit.Token);
        members = false;
        theirs.TrySend(LinkFrameKind.Message, new byte[] { 1 });
        await Assert.ThrowsAsync<InvalidDataException>(() => running);
        Assert.Empty(heard);
        await Assert.ThrowsAnyAsync<Exception>(() => Knock(one, other, _ => members, limit.Token));
    }

    private static async Task Knock(X509Certificate2 one, X509Certificate2 other, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        var pipe = new PipePair();
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, pipe.Right, TestSeats.Name(3), welcome, cancellationToken);
        _ = LinkHandshake.AsDialler(TestSeats.Genesis, one, pipe.Left, TestSeats.Name(3), _ => true, cancellationToken);
        await listening;
    }

    private static LinkIdentity IdentityOf(Validator seat) => new(seat.Organisation, seat.TransactionKey.Id);
}
