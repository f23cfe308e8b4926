using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Rules by which a mean update becomes the next model.</summary>
public enum ServerRule
{
    /// <summary>Adds it (McMahan et al. 2017).</summary>
    FedAvg,
    /// <summary>Adds a running sum of it (Hsu et al. 2019).</summary>
    FedAvgM,
    /// <summary>Divides by the root of all its squares (Reddi et al. 2021, algorithm 2).</summary>
    FedAdagrad,
    /// <summary>By the root of their running mean (the same).</summary>
    FedAdam,
    /// <summary>By the root of one that moves towards them (the same).</summary>
    FedYogi,
    /// <summary>Adds it, while each participant steps along what all gradients are beyond its own (SCAFFOLD: Karimireddy et al. 2020, algorithm 1, option II; <see cref="ControlVariate"/>).</summary>
    Scaffold,
}

/// <summary>
/// How a sum becomes the next model: a rule with its constants in millionths, all linear in what participants send, so that they can be masked. On the wire the text
/// "fedavg" for that rule with the rate 1, else [rule, η, β₁, β₂, τ], 0 where a rule has no such constant.
/// </summary>
/// <param name="Rule">The rule.</param>
/// <param name="RateMicro">η, 1 to 10⁹.</param>
/// <param name="MomentumMicro">β (FedAvgM) or β₁, below 10⁶.</param>
/// <param name="DecayMicro">β₂ of FedAdam and FedYogi, below 10⁶.</param>
/// <param name="AdaptivityMicro">τ of the last three rules, 1 to 10⁹.</param>
public sealed record ServerStrategy(ServerRule Rule, int RateMicro = ServerStrategy.One, int MomentumMicro = 0, int DecayMicro = 0, int AdaptivityMicro = 0)
{
    private const int One = 1_000_000;
    private const int Largest = 1_000_000_000;

    private static readonly string[] Names = ["fedavg", "fedavgm", "fedadagrad", "fedadam", "fedyogi", "scaffold"];

    /// <summary>Federated averaging with the rate 1.</summary>
    public static ServerStrategy FedAvg { get; } = new(ServerRule.FedAvg);

    /// <summary>The rule's name.</summary>
    public string Name => Names[(int)Rule];

    /// <summary>Vectors of the model's length that go on from round to round: m, then v; of SCAFFOLD the control variate.</summary>
    public int StateVectors => Rule switch { ServerRule.FedAvg => 0, ServerRule.FedAvgM or ServerRule.Scaffold => 1, _ => 2 };

    /// <summary>Vectors of the model's length in an update: of SCAFFOLD the change of the participant's control variate stands behind that of the model.</summary>
    public int UpdateVectors => Rule is ServerRule.Scaffold ? 2 : 1;

    /// <summary>What they begin with: m = 0, v = τ².</summary>
    public float[] InitialState(int length)
    {
        var state = new float[StateVectors * length];
        var tau = (double)AdaptivityMicro / One;
        if (StateVectors == 2) state.AsSpan(length).Fill((float)(tau * tau));
        return state;
    }

    internal void Write(CborWriter writer)
    {
        if (this == FedAvg)
        {
            writer.WriteTextString(Name);
            return;
        }

        writer.WriteStartArray(5);
        writer.WriteTextString(Name);
        foreach (var constant in (ReadOnlySpan<int>)[RateMicro, MomentumMicro, DecayMicro, AdaptivityMicro]) writer.WriteInt32(constant);
        writer.WriteEndArray();
    }

    internal static ServerStrategy Read(CborReader reader)
    {
        if (reader.PeekState() is CborReaderState.TextString)
        {
            Wire.Require(reader.ReadText(Limits.NameLength) == FedAvg.Name);
            return FedAvg;
        }

        reader.ReadArrayHead(5);
        var rule = Array.IndexOf(Names, reader.ReadText(Limits.NameLength));
        Wire.Require(rule >= 0);
        var strategy = new ServerStrategy((ServerRule)rule, reader.ReadNumber(Largest), reader.ReadNumber(Largest), reader.ReadNumber(Largest), reader.ReadNumber(Largest));
        reader.ReadEndArray();
        Wire.Require(strategy.IsSound && strategy != FedAvg);
        return strategy;
    }

    private bool IsSound => RateMicro > 0 && MomentumMicro < One && DecayMicro < One
        && (Rule is not (ServerRule.FedAvg or ServerRule.Scaffold) || MomentumMicro == 0)
        && (Rule is ServerRule.FedAdam or ServerRule.FedYogi || DecayMicro == 0)
        && AdaptivityMicro > 0 == (StateVectors == 2);
}
