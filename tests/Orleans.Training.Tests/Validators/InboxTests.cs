using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Validators;

public class InboxTests
{
    private static readonly ParticipantId[] Peers = [ParticipantId.Parse("zero"), ParticipantId.Parse("one"), ParticipantId.Parse("two")];

    [Fact]
    public void PeerThatFloods_LosesItsOwnMessages_AndDelaysNobody()
    {
        var inbox = new Inbox(_ => true);
        for (var i = 0; i < Inbox.MessagesPerPeer; i++) Assert.True(inbox.TryAdd(Peers[0], new byte[] { 0 }));
        Assert.False(inbox.TryAdd(Peers[0], new byte[] { 0 }));
        Assert.True(inbox.TryAdd(Peers[2], new byte[] { 2 }));
        Assert.True(inbox.TryAdd(Peers[1], new byte[] { 1 }));

        List<int> order = [];
        for (var i = 0; i < 4 && inbox.TryTake(out var message); i++)
        {
            Assert.Equal(message.From, Peers[message.Bytes.Span[0]]);
            order.Add(message.Bytes.Span[0]);
        }

        Assert.Equal([0, 2, 1, 0], order);
        Assert.True(inbox.TryAdd(Peers[0], new byte[] { 0 }));
    }

    [Fact]
    public void Bytes_AreBoundedPerPeer_AndFreedWhenTaken()
    {
        var inbox = new Inbox(_ => true);
        var large = new byte[Limits.MessageBytes];
        Assert.False(inbox.TryAdd(Peers[1], new byte[Limits.MessageBytes + 1]));
        for (var i = 0; i < Inbox.BytesPerPeer / large.Length; i++) Assert.True(inbox.TryAdd(Peers[1], large));
        Assert.False(inbox.TryAdd(Peers[1], large));
        Assert.True(inbox.TryAdd(Peers[0], large));
        while (inbox.TryTake(out _))
        {
            // Until it is empty.
        }

        Assert.True(inbox.TryAdd(Peers[1], large));
    }

    [Fact]
    public void WhoMayNotSpeak_IsNotHeard_AndWhoWasHeardMayLoseHisVoice()
    {
        HashSet<ParticipantId> speakers = [Peers[0], Peers[1]];
        var inbox = new Inbox(speakers.Contains);
        Assert.False(inbox.TryAdd(Peers[2], new byte[] { 2 }));
        Assert.False(inbox.TryTake(out _));
        Assert.True(inbox.TryAdd(Peers[1], new byte[] { 1 }));
        speakers.Remove(Peers[1]);
        Assert.False(inbox.TryAdd(Peers[1], new byte[] { 1 }));
        // What came while he was heard is still read.
        Assert.True(inbox.TryTake(out var message));
        Assert.Equal(Peers[1], message.From);
        Assert.False(inbox.TryTake(out _));
    }
}
