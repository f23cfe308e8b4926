using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Validators;

public class InboxTests
{
    [Fact]
    public void PeerThatFloods_LosesItsOwnMessages_AndDelaysNobody()
    {
        var inbox = new Inbox(3);
        for (var i = 0; i < Inbox.MessagesPerPeer; i++) Assert.True(inbox.TryAdd(0, new byte[] { 0 }));
        Assert.False(inbox.TryAdd(0, new byte[] { 0 }));
        Assert.True(inbox.TryAdd(2, new byte[] { 2 }));
        Assert.True(inbox.TryAdd(1, new byte[] { 1 }));

        List<int> order = [];
        for (var i = 0; i < 4 && inbox.TryTake(out var message); i++)
        {
            Assert.Equal(message.From, message.Bytes.Span[0]);
            order.Add(message.From);
        }

        Assert.Equal([0, 1, 2, 0], order);
        Assert.True(inbox.TryAdd(0, new byte[] { 0 }));
    }

    [Fact]
    public void Bytes_AreBoundedPerPeer_AndFreedWhenTaken()
    {
        var inbox = new Inbox(2);
        var large = new byte[Limits.MessageBytes];
        Assert.False(inbox.TryAdd(1, new byte[Limits.MessageBytes + 1]));
        for (var i = 0; i < Inbox.BytesPerPeer / large.Length; i++) Assert.True(inbox.TryAdd(1, large));
        Assert.False(inbox.TryAdd(1, large));
        Assert.True(inbox.TryAdd(0, large));
        while (inbox.TryTake(out _))
        {
            // Until it is empty.
        }

        Assert.True(inbox.TryAdd(1, large));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    public void SeatThatDoesNotExist_IsNotHeard(int from)
    {
        var inbox = new Inbox(2);
        Assert.False(inbox.TryAdd(from, new byte[] { 1 }));
        Assert.False(inbox.TryTake(out _));
    }
}
