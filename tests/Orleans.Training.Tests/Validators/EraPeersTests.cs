using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Links;

namespace Orleans.Training.Tests.Validators;

public sealed class EraPeersTests
{
    private static readonly ParticipantId One = ParticipantId.Parse("one"), Two = ParticipantId.Parse("two");

    [Fact]
    public void Seats_HaveTheirNumbers_AndOthersGetTheNextOnes_ForTheWholeEra()
    {
        var peers = new EraPeers(TestSeats.Genesis.Validators, [TestSeats.Name(2), One]);
        for (var seat = 0; seat < 4; seat++)
        {
            Assert.Equal(seat, peers.PeerOf(TestSeats.Name(seat)));
            Assert.Equal(TestSeats.Name(seat), peers.OrganisationOf(seat));
        }

        Assert.Equal(One, peers.OrganisationOf(4));
        Assert.Null(peers.OrganisationOf(5));
        Assert.Equal(5, peers.PeerOf(Two));
        Assert.Equal(4, peers.PeerOf(One));
        Assert.Equal(Two, peers.OrganisationOf(5));
        Assert.Equal(5, peers.PeerOf(Two));
    }

    [Fact]
    public void TooManyOthers_AreNotHeard()
    {
        var peers = new EraPeers(TestSeats.Genesis.Validators, []);
        for (var i = 0; i < EraPeers.MostOthers; i++) Assert.Equal(4 + i, peers.PeerOf(ParticipantId.Parse($"other-{i}")));
        Assert.Equal(-1, peers.PeerOf(One));
        Assert.Equal(4, peers.PeerOf(ParticipantId.Parse("other-0")));
    }
}
