using Orleans.Training.Grains;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Links;

public sealed class LinkPeersTests
{
    [Fact]
    public void AFile_SaysWhoIsWhere()
    {
        var peers = LinkPeers.Parse(["# the others", "seat hungarian https://h.example:7443  # their data centre", "", "\tseat va", "relay switzerland http://10.0.0.3:80/otrain"], "peers");
        Assert.Equal([("hungarian", "https://h.example:7443/"), ("va", null)], peers.Seats.Select(seat => (seat.Key.Name, seat.Value?.AbsoluteUri)));
        Assert.Equal([("switzerland", "http://10.0.0.3/otrain")], peers.Relays.Select(relay => (relay.Organisation.Name, relay.Address.AbsoluteUri)));
    }

    [Theory]
    [InlineData("seat")]
    [InlineData("seat va https://a.example https://b.example")]
    [InlineData("seat VA")]
    [InlineData("seat va ftp://a.example")]
    [InlineData("seat va https://user:secret@a.example")]
    [InlineData("seat va a.example:7443")]
    [InlineData("seat cleveland")]
    [InlineData("seat va https://a.example 1234")]
    [InlineData("seat va https://a.example 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff")]
    [InlineData("relay va")]
    [InlineData("hospital va https://a.example")]
    public void AWrongLine_IsNamed(string line)
    {
        var exception = Assert.Throws<OperationalException>(() => LinkPeers.Parse(["seat cleveland", line], "peers"));
        Assert.StartsWith("OT-7040 Line 2 of peers ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AKey_MayStandBehindAnAddress()
    {
        var peers = LinkPeers.Parse([$"seat va https://a.example {TestSeats.Identity(3).Key}", "seat cleveland https://b.example"], "peers");
        Assert.Equal([TestSeats.Identity(3)], peers.Known);
    }

    [Fact]
    public void AMissingFile_IsSaid() => Assert.Equal("OT-7040", Assert.Throws<OperationalException>(() => LinkPeers.Load("/nonexistent/peers")).Code);
}
