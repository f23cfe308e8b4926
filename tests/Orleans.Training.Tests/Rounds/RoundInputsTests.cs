using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Rounds;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Contracts;

namespace Orleans.Training.Tests.Rounds;

public sealed class RoundInputsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FileBlobStore _blobs;
    private readonly AgreementRecord _terms;
    private readonly int _length;

    public RoundInputsTests()
    {
        _blobs = new FileBlobStore(_folder.Path);
        var plan = AgreementTests.Plan();
        _terms = new AgreementRecord(plan, plan.ComputeDigest(), [], [.. plan.Datasets.Select(_ => FixedPoint.WeightOne)], null);
        Assert.True(ModelSpec.TryParse(plan.ModelSpec, out var spec));
        _length = spec!.ParameterCount;
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Sum_IsOfExactlyThePositionsThatCount_WhateverWasReadBefore()
    {
        int[][] updates = [Lanes(1), Lanes(20), Lanes(300)];
        var round = Round([.. await Task.WhenAll(updates.Select(Store))]);
        var inputs = new RoundInputs(_blobs, _terms, round.StateKey);
        for (var position = 0; position < 3; position++) Assert.True(await inputs.Admits(position, round.Inputs[position].Root, default));

        var all = await inputs.SumOf([0, 1, 2], round, default);
        Assert.Equal(Enumerable.Repeat(321, _length), all!.Lanes.ToArray());
        var some = await inputs.SumOf([0, 2], round, default);
        Assert.Equal(Enumerable.Repeat(301, _length), some!.Lanes.ToArray());
        Assert.Equal((2, 2L * FixedPoint.WeightOne), (some.Count, some.TotalWeight));
    }

    [Fact]
    public async Task AnUpdateThatIsNotHere_IsLookedForAgain_AndOneThatMayNotBeHeldIsNot()
    {
        var missing = Lanes(7);
        var tooLong = new int[_length + 1];
        int[] tooLarge = [.. Enumerable.Repeat(int.MinValue, _length)];
        var round = Round(ChunkedBlob.Root(UpdateBlob.Write(missing)), await Store(tooLong), await Store(tooLarge));
        var inputs = new RoundInputs(_blobs, _terms, round.StateKey);

        for (var position = 0; position < 3; position++) Assert.False(await inputs.Admits(position, round.Inputs[position].Root, default));
        Assert.Null(await inputs.SumOf([0], round, default));
        Assert.Null(await inputs.SumOf([0, 1], round, default));
        await Store(missing);
        Assert.True(await inputs.Admits(0, round.Inputs[0].Root, default));
        Assert.False(await inputs.Admits(1, round.Inputs[1].Root, default));
        Assert.Equal(missing, (await inputs.SumOf([0], round, default))!.Lanes.ToArray());
    }

    private int[] Lanes(int value) => [.. Enumerable.Repeat(value, _length)];

    private async Task<Digest> Store(int[] lanes) => (await _blobs.Put(new MemoryStream(UpdateBlob.Write(lanes)), null, default)).Name;

    private RoundRecord Round(params Digest[] roots) =>
        new(_terms.Digest, 1, 1, Digest.Zero, Phase.Input, 1, [.. roots.Select(root => new RoundInput(root, 0))], null, [], null);
}
