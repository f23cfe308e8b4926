using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Contracts;

public class FederationTests
{
    private readonly TestShard _shard = new();
    private readonly Admit _admit = new(ParticipantId.Parse("newcomer"), "The newcomer", Roles.Trainer, TestShard.Key("newcomer").Public);

    private ParticipantRecord? Find(string name) => _shard.State.Find<ParticipantRecord>(ParticipantRecord.Key(ParticipantId.Parse(name)));

    [Fact]
    public void Admit_TakesEffectWithAQuorumOfSeats()
    {
        Assert.Equal(Rejection.None, _shard.Send("va", _admit));
        Assert.Equal(Rejection.None, _shard.Send("va", _admit));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", _admit));
        Assert.Null(Find("newcomer"));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", _admit));
        Assert.Equal(Roles.Trainer, Find("newcomer")!.Roles);
        Assert.Equal(Rejection.AlreadyExists, _shard.Send("switzerland", _admit));
    }

    [Fact]
    public void Admit_CountsEqualArgumentsOnly()
    {
        Assert.Equal(Rejection.None, _shard.Send("va", _admit));
        Assert.Equal(Rejection.None, _shard.Send("cleveland", _admit));
        Assert.Equal(Rejection.None, _shard.Send("hungarian", _admit with { Roles = Roles.All }));
        Assert.Null(Find("newcomer"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("two\nlines")]
    [InlineData("\u001b[2J")]
    public void DisplayName_MustBeOneThatCanBeShown(string name) => Assert.Equal(Rejection.BadArguments, _shard.Send("va", _admit with { DisplayName = name }));

    [Fact]
    public void Admit_IsForTheTransactionKeysOfSeats()
    {
        AgreementTests.Admit(_shard, "newcomer", Roles.All);
        Assert.Equal(Rejection.MissingRole, _shard.Send("newcomer", _admit with { Roles = Roles.Trainer }));
        var second = TestShard.Key("va/second");
        Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(second.Public)));
        Assert.Equal(Rejection.MissingRole, _shard.Send("va", _admit, second));
    }

    [Fact]
    public void Admit_AddsRolesAndKeys_ButNeverAnothersKey()
    {
        AgreementTests.Admit(_shard, "va", Roles.Trainer);
        Assert.Equal(Roles.Trainer | Roles.Validator, Find("va")!.Roles);
        Assert.Single(Find("va")!.Keys);
        Assert.Equal(Rejection.KeyInUse, _shard.Send("va", new Admit(ParticipantId.Parse("thief"), "thief", Roles.Trainer, TestShard.Key("va").Public)));
    }

    [Fact]
    public void Keys_AreAddedAndRevoked_WithinTheirLimits()
    {
        var second = TestShard.Key("va/second");
        Assert.Equal(Rejection.LastKey, _shard.Send("va", new RevokeKey(TestShard.Key("va").Public.Id)));
        Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(second.Public)));
        Assert.Equal(Rejection.KeyInUse, _shard.Send("cleveland", new AddKey(second.Public)));
        Assert.Equal(Rejection.LastKey, _shard.Send("va", new RevokeKey(TestShard.Key("va").Public.Id), second));
        Assert.Equal(Rejection.NotFound, _shard.Send("cleveland", new RevokeKey(second.Public.Id)));
        Assert.Equal(Rejection.None, _shard.Send("va", new RevokeKey(second.Public.Id)));
        Assert.Equal(Rejection.UnknownKey, _shard.Machine.Check(_shard.Head, _shard.Sign("va", _admit, key: second), _shard.Head.Block.Header.TimeMs + 1));
        Assert.Equal(Rejection.KeyInUse, _shard.Send("va", new AddKey(second.Public)));
        for (var i = 1; i < Limits.KeysPerParticipant; i++) Assert.Equal(Rejection.None, _shard.Send("va", new AddKey(TestShard.Key($"va/{i}").Public)));
        Assert.Equal(Rejection.LimitReached, _shard.Send("va", new AddKey(TestShard.Key("va/too many").Public)));
    }
}
