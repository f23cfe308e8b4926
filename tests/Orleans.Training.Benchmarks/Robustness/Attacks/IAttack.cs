using Orleans.Training.Trainer;

namespace Orleans.Training.Benchmarks;

/// <summary>What attackers do, all in concert: with their own rows before they train, and with the updates that come of it.</summary>
internal interface IAttack
{
    /// <summary>As tables call it.</summary>
    string Name { get; }

    /// <summary>What it does, with its constants, in half a sentence.</summary>
    string Description { get; }

    /// <summary>Whether attackers train; else <see cref="Attackers.Own"/> is empty.</summary>
    bool Trains => true;

    /// <summary>The rows that an attacker trains on in place of its own.</summary>
    LabelledData Poison(LabelledData rows) => rows;

    /// <summary>The updates that attackers send in place of their own, one for each.</summary>
    IReadOnlyList<float[]> Forge(Attackers attackers) => attackers.Own;

    /// <summary>Test rows, labelled as the attackers wish them to be predicted; null if all they wish is to do harm.</summary>
    LabelledData? Wish(LabelledData test) => null;
}

/// <summary>What attackers know in a round.</summary>
/// <param name="Count">Of attackers.</param>
/// <param name="Participants">Attackers and honest participants.</param>
/// <param name="Own">The updates that they have trained, on poisoned rows if the attack poisons.</param>
/// <param name="Honest">The honest updates; no attacker sees them, but one may assume the worst.</param>
/// <param name="Seed">Of the round.</param>
internal sealed record Attackers(int Count, int Participants, IReadOnlyList<float[]> Own, IReadOnlyList<float[]> Honest, ulong Seed);
