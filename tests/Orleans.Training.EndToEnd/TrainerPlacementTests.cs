using Orleans.Runtime;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Silos;
using Orleans.Training.Grains.Trainers;
using Orleans.Training.Trainer;
using Orleans.Training.Trainer.Grains;

namespace Orleans.Training.EndToEnd;

/// <summary>Which of two silos gets the trainers: every hospital has chosen both.</summary>
[Collection(Heart.Name)]
public sealed class TrainerPlacementTests
{
    private static readonly TrainerSettings Cpu = new("", 1);
    private static readonly TrainerSettings Cuda = Cpu with { Device = TrainingDevice.Cuda };

    [Fact]
    public Task Trainers_AnyDeviceWillDo_ButNotASiloWithoutTrainers() =>
        OnlyTheSecond(options => options.LabelTrainers(Cpu with { Threads = 0 }), options => options.LabelTrainers(Cpu));

    [Fact]
    public Task Trainers_OfAClusterThatNeedsCuda_GoToTheSiloThatHasIt() => OnlyTheSecond(
        options =>
        {
            options.LabelTrainers(Cpu);
            options.NeedTrainers(TrainingDevice.Cuda);
        },
        options =>
        {
            options.LabelTrainers(Cuda);
            options.NeedTrainers(TrainingDevice.Cuda);
        });

    [Fact]
    public async Task Trainers_OfAClusterThatNeedsCuda_AreRefusedWithoutIt()
    {
        using var federation = new TestFederation("no-cuda");
        await using var host = await GatewayHost.Start(federation.Folder, federation.Shard, "one", TestFederation.Hospitals, place: options =>
        {
            options.LabelTrainers(Cpu);
            options.NeedTrainers(TrainingDevice.Cuda);
        });
        var refusal = await Assert.ThrowsAsync<OperationalException>(() => TrainerOf(host, federation, "va").Train("no run", 1, 1));
        Assert.Equal("OT-7003 No running silo is labelled accelerator = cuda, which otrain.trainer needs.", refusal.Message);
    }

    [Fact]
    public async Task Trainers_WithoutASiloThatTrains_AreRefused()
    {
        using var federation = new TestFederation("no-trainers");
        await using var host = await GatewayHost.Start(federation.Folder, federation.Shard, "one", TestFederation.Hospitals);
        var refusal = await Assert.ThrowsAsync<OperationalException>(() => TrainerOf(host, federation, "va").Train("no run", 1, 1));
        Assert.Equal("OT-7003 No running silo is labelled accelerator, which otrain.trainer needs.", refusal.Message);
    }

    private static async Task OnlyTheSecond(Action<TrainingSiloOptions> first, Action<TrainingSiloOptions> second)
    {
        using var federation = new TestFederation("placement");
        await using var one = await GatewayHost.Start(federation.Folder, federation.Shard, "one", TestFederation.Hospitals, place: first);
        await using var two = await GatewayHost.Start(federation.Folder, federation.Shard, "two", TestFederation.Hospitals, place: second);
        await one.SeesActive(2);
        await two.SeesActive(2);
        var caller = one;
        foreach (var hospital in TestFederation.Hospitals)
        {
            var trainer = TrainerOf(caller, federation, hospital);
            await Placed(trainer);
            Assert.Equal(two.Address, await one.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress((IAddressable)trainer));
            caller = caller == one ? two : one;
        }
    }

    // The grain answers that this is no run: so it is there. Labels are known a moment after the silo: until then the refusal is right.
    private static async Task Placed(ITrainerGrain trainer)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        OperationalException answer;
        do
        {
            Assert.False(limit.IsCancellationRequested);
            answer = await Assert.ThrowsAsync<OperationalException>(() => trainer.Train("no run", 1, 1));
        }
        while (answer.Code == "OT-7003");

        Assert.Equal("OT-7024", answer.Code);
    }

    private static ITrainerGrain TrainerOf(GatewayHost host, TestFederation federation, string hospital) =>
        host.Grains.GetGrain<ITrainerGrain>(GrainKeys.Of(federation.Shard, hospital));
}
