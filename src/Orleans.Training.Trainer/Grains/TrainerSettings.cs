using Microsoft.Extensions.DependencyInjection;

namespace Orleans.Training.Trainer.Grains;

/// <summary>What the trainers of one silo share.</summary>
/// <param name="Root">The folder of the machine, with <c>participants/NAME/datasets.json</c>.</param>
/// <param name="Threads">Trainings that run at once, one thread each.</param>
/// <param name="Device">Where networks are computed.</param>
public sealed record TrainerSettings(string Root, int Threads, TrainingDevice Device = TrainingDevice.Cpu)
{
    /// <summary>The silo label that trainer grains ask for.</summary>
    public const string AcceleratorLabel = "accelerator";
}

/// <summary>Puts trainers into a silo.</summary>
public static class TrainerSiloExtensions
{
    /// <summary>Adds the pool on which the silo's trainer grains train.</summary>
    public static IServiceCollection AddTrainers(this IServiceCollection services, TrainerSettings settings) =>
        services.AddSingleton(settings).AddSingleton(_ => new TrainerPool(settings.Threads));
}
