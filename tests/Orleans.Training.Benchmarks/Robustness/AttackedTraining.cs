using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>Federated training without a ledger in which some attack: the trainer of the service, its lanes, and its mean or a rule of docs/spec/robust.md over the groups' sums.</summary>
internal sealed class AttackedTraining(ModelSpec spec, LabelledData test, TrainerPool pool)
{
    /// <summary>Rows of one step of local training.</summary>
    public const int BatchSize = 32;
    /// <summary>Of local training.</summary>
    public const float LearningRate = 0.3f;

    private const int RootIndex = -2;

    /// <summary>Trains; what the last model, or that of every round, is worth.</summary>
    /// <param name="federation">Who.</param>
    /// <param name="attack">What its attackers do; null for nothing, they are honest then.</param>
    /// <param name="arm">How updates become one.</param>
    /// <param name="rounds">How many.</param>
    /// <param name="each">Whether to score every round's model.</param>
    public async Task<IReadOnlyList<Score>> Run(Federation federation, IAttack? attack, Arm arm, int rounds, bool each = false)
    {
        var model = InitialModel.Create(spec, new SeededRandom(federation.Seed).Bytes(InitialModel.SeedBytes));
        var rows = federation.Rows.Select((own, i) => attack is not null && federation.Attackers.Contains(i) ? attack.Poison(own) : own).ToArray();
        var (server, scores) = (new Server(arm, federation.Layout(arm.GroupSize), rows.Length), new List<Score>());
        var (wish, isBroken) = (attack?.Wish(test), false);
        for (var round = 1; round <= rounds; round++)
        {
            // Where no honest participant can train any more, the model stays what it was made.
            var next = isBroken ? null : await TrainOnce(federation, attack, rows, server, round, model);
            isBroken = next is null;
            model = next ?? model;
            if (!each && round < rounds) continue;
            var (accuracy, success) = (Rate(model, test), wish is null ? null : Rate(model, wish));
            scores.Add(new(await accuracy, success is null ? null : await success, isBroken));
        }

        return scores;
    }

    // Null if an honest update or the next model is not finite.
    private async Task<float[]?> TrainOnce(Federation federation, IAttack? attack, LabelledData[] rows, Server server, int round, float[] model)
    {
        bool Attacks(int i) => attack is not null && federation.Attackers.Contains(i);
        try
        {
            var root = server.NeedsRoot ? Train(federation.Root, RootIndex) : Task.FromResult<float[]>([]);
            var trained = await Task.WhenAll(rows.Select((own, i) => Attacks(i) && !attack!.Trains ? Task.FromResult<float[]>([]) : Train(own, i)));
            if (attack is not null && federation.Attackers.Count > 0)
            {
                var attackers = federation.Attackers.Order().ToArray();
                var honest = trained.Where((_, i) => !Attacks(i)).ToArray();
                var forged = attack.Forge(new(attackers.Length, rows.Length, [.. attackers.Select(i => trained[i])], honest, SeededRandom.Derive(federation.Seed, round, -3)));
                for (var i = 0; i < attackers.Length; i++) trained[attackers[i]] = forged[i];
            }

            return server.Next(model, trained, Attacks, await root, SeededRandom.Derive(federation.Seed, round, -1));
        }
        catch (TrainerException exception) when (exception.Fault is TrainerFault.Diverged)
        {
            return null;
        }

        Task<float[]> Train(LabelledData own, int i) =>
            pool.Run(stop => LocalTrainer.Train(spec, model, own, new TrainingSettings(1, BatchSize, LearningRate, SeededRandom.Derive(federation.Seed, round, i)), stop).Delta);
    }

    private Task<double> Rate(float[] model, LabelledData data) => pool.Run(stop => LocalTrainer.Evaluate(spec, model, data, cancellationToken: stop).Accuracy);
}

/// <summary>What a model is worth.</summary>
/// <param name="Accuracy">Part of the test rows predicted as they should be.</param>
/// <param name="Success">Part of the attackers' rows predicted as they wish; null if they have no wish.</param>
/// <param name="IsBroken">Whether training ended before its last round, because numbers were not finite.</param>
internal readonly record struct Score(double Accuracy, double? Success, bool IsBroken);
