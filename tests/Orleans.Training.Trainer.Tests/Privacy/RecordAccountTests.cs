using Orleans.Training.Protocol;

namespace Orleans.Training.Trainer.Tests;

public sealed class RecordAccountTests : IDisposable
{
    private const double Delta = 1e-5;
    private static readonly ParticipantId Owner = ParticipantId.TryParse("cleveland", out var owner) ? owner : throw new InvalidOperationException();
    private readonly string _root = Directory.CreateTempSubdirectory("otrain-").FullName;

    private string File => Path.Combine(_root, "participants", "cleveland", "records", "rows.json");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Account_RefusesWhatOverspends_AlsoAfterARestart()
    {
        var one = new RecordCharge("a/1/0", 1, 0.01, 1000);
        var limit = new SampledGaussian(1, 0.01).EpsilonOf(2000, Delta);
        Account().Charge(one, limit, Delta);
        Assert.Equal(2.10136527, Account().EpsilonAt(Delta), 6);
        // The same training again is the same training.
        Account().Charge(one, limit, Delta);
        Account().Charge(one with { Training = "a/2/0" }, limit * (1 + 1e-12), Delta);
        var before = System.IO.File.ReadAllBytes(File);
        Assert.Equal(TrainerFault.RecordBudgetExceeded, FaultOf(() => Account().Charge(one with { Training = "a/3/0", Steps = 1 }, limit, Delta)));
        Assert.Equal(before, System.IO.File.ReadAllBytes(File));
        // What was charged before stays charged, and may be computed again.
        Account().Charge(one, limit, Delta);
    }

    [Fact]
    public void Account_OfOtherNoise_AddsUpDivergences()
    {
        Account().Charge(new("a/1/0", 1, 1, 1), 0, Delta);
        Account().Charge(new("b/1/0", 2, 1, 3), 0, Delta);
        // Without drawing, 1 ÷ σ² adds up: 1 + 3 ÷ 4.
        Assert.Equal(new SampledGaussian(1 / Math.Sqrt(1.75), 1).EpsilonOf(1, Delta), Account().EpsilonAt(Delta), 10);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[{}]")]
    [InlineData("[{\"training\":\"a\",\"noiseMultiplier\":1,\"samplingRate\":1,\"steps\":-1}]")]
    public void Account_ThatIsDamaged_RefusesEverything(string text)
    {
        Account().Charge(new("a/1/0", 1, 1, 1), 0, Delta);
        System.IO.File.WriteAllText(File, text);
        Assert.Equal(TrainerFault.RecordBudgetExceeded, FaultOf(() => Account().Charge(new("a/2/0", 1, 1, 1), 0, Delta)));
    }

    [Fact]
    public void Dataset_WithALimit_RefusesTrainingsWithoutNoise()
    {
        var dataset = new LocalDataset("rows", "heart-disease", "rows.csv", Epsilon: 1);
        var plain = new TrainingSettings(3, 8, 0.1f, 1);
        Assert.Equal(TrainerFault.RecordBudgetExceeded, FaultOf(() => dataset.Charge(_root, Owner, "a/1/0", plain, 100)));
        Assert.Equal(TrainerFault.RecordBudgetExceeded, FaultOf(() => dataset.Charge(_root, Owner, "a/1/0", plain with { Private = new(1, 0, new byte[32]) }, 100)));
        Assert.False(System.IO.File.Exists(File));
        (dataset with { Epsilon = 0 }).Charge(_root, Owner, "a/1/0", plain, 100);
        dataset.Charge(_root, Owner, "a/1/0", plain with { Private = new(1, 8, new byte[32]) }, 100);
        // Three epochs of ⌈100 ÷ 8⌉ steps.
        Assert.Equal(new SampledGaussian(8, 0.08).EpsilonOf(39, Delta), Account().EpsilonAt(Delta), 10);
    }

    private RecordAccount Account() => RecordAccount.Of(_root, Owner, "rows");

    private static TrainerFault FaultOf(Action action) => Assert.Throws<TrainerException>(action).Fault;
}
