using Orleans.Training.Gateway.Graph;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;

namespace Orleans.Training.EndToEnd;

/// <summary>What a masked round's contributions are, from the records that an attempt has at each stage; more of them than one page holds.</summary>
public sealed class MaskedContributionTests : IDisposable
{
    private const int Count = 120;
    private readonly TestFederation _federation = new("masked");
    private readonly TestRecords _state = new();
    private readonly AgreementRecord _terms;

    public MaskedContributionTests()
    {
        var plan = TestFederation.Plan("masked", rounds: 1) with
        {
            FixedPoint = FixedPoint.Create(10, Count),
            Datasets = [.. Enumerable.Range(0, Count).Select(i => new AgreedDataset(ParticipantId.Parse($"p{i:D3}"), "heart"))],
            Masks = true,
            Masking = new MaskingTerms(0, 1, 1, 1, 1, 1, 1),
        };
        _terms = new AgreementRecord(plan, plan.ComputeDigest(), [], [.. Enumerable.Repeat(FixedPoint.WeightOne, Count)], null);
        _state.Put(AgreementRecord.Key(_terms.Digest), _terms);
        // What another attempt has is of no concern.
        for (var i = 0; i < Count; i++) Commit(i, attempt: 10);
    }

    public void Dispose() => _federation.Dispose();

    [Fact]
    public async Task Contributions_AreSelected_ThenSubmitted_WhileUpdatesCome()
    {
        foreach (var phase in new[] { Phase.AdvertiseKeys, Phase.ShareKeys, Phase.AcknowledgeShares, Phase.Input }) await Are(phase, _ => ContributionState.Selected);
        for (var i = 0; i < Count; i += 2) Commit(i);
        await Are(Phase.Input, i => i % 2 == 0 ? ContributionState.Submitted : ContributionState.Selected);
        for (var i = 1; i < Count; i += 2) Commit(i);
        await Are(Phase.Input, _ => ContributionState.Submitted);
    }

    [Fact]
    public async Task Contributions_AreAcceptedByTheOrder_AndDroppedWithoutIt()
    {
        for (var i = 0; i < Count; i += 2) Commit(i);
        await Are(Phase.Failed, _ => ContributionState.Dropped);
        // What too few validators hold in time is in no order.
        int[] ordered = [.. Enumerable.Range(0, Count).Where(i => i % 4 == 0)];
        _state.Put($"{UnmaskOrderRecord.Prefix}{Name(1)}", new UnmaskOrderRecord(Digest.Zero, [.. ordered.Select(i => new CommittedInput((ushort)i, Root(i)))], PositionSet.Of([1, 2])));
        foreach (var phase in new[] { Phase.ConsistencyCheck, Phase.Unmask, Phase.RevealSilent, Phase.Aggregate, Phase.Published, Phase.Failed })
            await Are(phase, i => i % 4 == 0 ? ContributionState.Accepted : ContributionState.Dropped);
    }

    private async Task Are(Phase phase, Func<int, ContributionState> expected)
    {
        var reader = new FederationReader(_federation.Genesis, null!, _state, null!);
        var contributions = (await new Round(reader, new RoundRecord(_terms.Digest, 1, 1, Digest.Zero, phase, 1, [], null, [], null)).Contributions()).ToList();
        Assert.Equal(_terms.Agreement.Datasets.Select(agreed => agreed.Participant.Name), contributions.Select(item => item.Participant.Name));
        Assert.Equal(Enumerable.Range(0, Count).Select(i => (expected(i), _state.Has(InputKey(i, 1)) ? Root(i) : (Digest?)null)), contributions.Select(item => (item.State, item.UpdateDigest)));
    }

    private void Commit(int position, int attempt = 1) => _state.Put(InputKey(position, attempt), new MaskedInputRecord(Root(position * attempt)));

    private string Name(int attempt) => $"{_terms.Digest}/000001/{attempt}";

    private string InputKey(int position, int attempt) => $"{MaskedInputRecord.Prefix}{Name(attempt)}/{position:D4}";

    private static Digest Root(int seed) => Digest.Of(BitConverter.GetBytes(seed));
}
