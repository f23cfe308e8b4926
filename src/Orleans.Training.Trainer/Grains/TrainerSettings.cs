using Microsoft.Extensions.DependencyInjection;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Trainer.Grains;

/// <summary>What the trainers of one silo share.</summary>
/// <param name="Root">The folder of the machine, with <c>participants/NAME/datasets.json</c>.</param>
/// <param name="Threads">Trainings that run at once, one thread each; 0 for a silo that gets no trainers.</param>
/// <param name="Device">Where networks are computed.</param>
/// <param name="IsConstantTime">Whether noise is drawn so that nobody who shares the machine can watch it.</param>
public sealed record TrainerSettings(string Root, int Threads, TrainingDevice Device = TrainingDevice.Cpu, bool IsConstantTime = false)
{
    /// <summary>The silo label that trainer grains ask for; a silo without it gets none.</summary>
    public const string AcceleratorLabel = "accelerator";
}

/// <summary>Puts trainers into a silo.</summary>
public static class TrainerSiloExtensions
{
    /// <summary>Adds the pool on which the silo's trainer grains train.</summary>
    /// <exception cref="TrainerException">OT-5094: the device is not there.</exception>
    public static IServiceCollection AddTrainers(this IServiceCollection services, TrainerSettings settings)
    {
        if (settings.Threads == 0) return services;
        LocalTrainer.RequireDevice(settings.Device);
        return services.AddSingleton(settings).AddSingleton(_ => new TrainerPool(settings.Threads));
    }

    /// <summary>Labels a silo that trains with its device.</summary>
    public static void LabelTrainers(this TrainingSiloOptions options, TrainerSettings settings)
    {
        if (settings.Threads > 0) options.Labels[TrainerSettings.AcceleratorLabel] = NameOf(settings.Device);
    }

    /// <summary>Has the cluster train only in silos with this device; to be said in all of its silos.</summary>
    public static void NeedTrainers(this TrainingSiloOptions options, TrainingDevice device) => options.Needs[TrainerSettings.AcceleratorLabel] = NameOf(device);

    private static string NameOf(TrainingDevice device) => device is TrainingDevice.Cuda ? "cuda" : "cpu";
}
