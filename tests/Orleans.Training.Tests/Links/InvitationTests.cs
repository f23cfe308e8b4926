using Orleans.Training.Grains;
using Orleans.Training.Grains.Links;

namespace Orleans.Training.Tests.Links;

public sealed class InvitationTests
{
    private static readonly DateTimeOffset Expires = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string[] Peers = [$"seat va https://a.example:7443/ {TestSeats.Identity(3).Key}", "seat cleveland", "relay hungarian https://b.example/"];
    private static readonly string[] Lines = [.. new Invitation(TestSeats.Genesis, Expires, Peers).Lines];

    [Fact]
    public void AnInvitation_IsReadAsItWasWritten()
    {
        var invitation = Invitation.Parse(Lines, "invitation");
        Assert.Equal(TestSeats.Genesis.Chain, invitation.Genesis.Chain);
        Assert.Equal(Expires, invitation.Expires);
        Assert.Equal(Peers, invitation.Peers);
    }

    [Theory]
    [InlineData(0, "otrain-invitation 2")]
    [InlineData(1, "genesis AAAA")]
    [InlineData(1, "genesis ????")]
    [InlineData(2, "expires tomorrow")]
    [InlineData(3, "seat va")]
    public void AWrongLine_IsRefused(int line, string text)
    {
        string[] changed = [.. Lines];
        changed[line] = text;
        Assert.Equal("OT-7047", Assert.Throws<OperationalException>(() => Invitation.Parse(changed, "invitation")).Code);
    }

    [Fact]
    public void OfItsPeers_EveryLineIsLookedAt() =>
        Assert.Equal("OT-7040", Assert.Throws<OperationalException>(() => Invitation.Parse([.. Lines, "seat nobody's"], "invitation")).Code);

    [Fact]
    public void AnOldOne_IsOfNoUse()
    {
        var path = Path.GetTempFileName();
        File.WriteAllLines(path, Lines);
        Assert.Equal(TestSeats.Genesis.Chain, Invitation.Load(path, Expires.AddSeconds(-1)).Genesis.Chain);
        Assert.Equal("OT-7047", Assert.Throws<OperationalException>(() => Invitation.Load(path, Expires)).Code);
        File.Delete(path);
        Assert.Equal("OT-7047", Assert.Throws<OperationalException>(() => Invitation.Load(path, Expires)).Code);
    }
}
