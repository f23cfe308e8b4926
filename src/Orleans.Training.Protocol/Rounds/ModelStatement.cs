using System.Globalization;
using System.Text;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// What a validator says about a published model to those who know nothing of this ledger: an in-toto Statement v1 with a SLSA provenance v1 predicate, as JSON whose bytes
/// follow from the final state alone (docs/spec/statement.md). Every validator says the same; each signs it with its transaction key (<see cref="StatementBundle"/>).
/// </summary>
public static class ModelStatement
{
    /// <summary>What kind of work made the subject; the page above explains the parameters.</summary>
    public const string BuildType = "urn:otrain:round:1";

    /// <summary>The statement, as UTF-8.</summary>
    /// <param name="genesis">The shard's genesis.</param>
    /// <param name="state">A state in which the model is published.</param>
    /// <param name="model">The model.</param>
    /// <param name="entry">The index of the leaf whose transaction published it: its receipt proves it.</param>
    /// <param name="file">SHA-256 of the model as a safetensors file.</param>
    public static byte[] Write(Genesis genesis, ContractState state, ModelRecord model, long entry, Digest file)
    {
        var terms = state.Find<AgreementRecord>(AgreementRecord.Key(model.Agreement))!.Agreement;
        var round = Enumerable.Range(1, RunRecord.MaxAttempts).Select(attempt => state.Find<RoundRecord>(RoundRecord.Key(model.Agreement, model.Round, attempt))).First(attempt => attempt is { Phase: Phase.Published })!;
        var inputs = new StringBuilder(Resource("base", "sha256", model.Parent));
        foreach (var dataset in terms.Datasets) inputs.Append(',').Append(Resource($"dataset/{dataset.Participant}", "otrainData", state.Find<DatasetRecord>(DatasetRecord.Key(dataset.Participant, dataset.Dataset))!.Commitment));
        foreach (var position in round.Survivors(quorum: 1)) inputs.Append(',').Append(Resource($"update/{terms.Datasets[position].Participant}", "otrainTree", round.Inputs[position].Root));
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$$"""
            {"_type":"https://in-toto.io/Statement/v1",
            "subject":[{{{Resource("model.safetensors", "sha256", file)}}},{{{Resource("model", "sha256", model.Model)}}}],
            "predicateType":"https://slsa.dev/provenance/v1",
            "predicate":{
            "buildDefinition":{
            "buildType":"{{{BuildType}}}",
            "externalParameters":{"chain":"{{{genesis.Chain}}}","shard":"{{{genesis.Shard}}}","agreement":"{{{model.Agreement}}}","round":{{{model.Round}}}
            },
            "internalParameters":{"attempt":{{{round.Attempt}}},"entry":{{{entry}}},"weight":{{{model.SumWeight}}}
            },
            "resolvedDependencies":[{{{inputs}}}]
            },
            "runDetails":{
            "builder":{"id":"urn:otrain:chain:{{{genesis.Chain}}}"},
            "metadata":{"invocationId":"{{{model.Agreement}}}/{{{model.Round}}}/{{{round.Attempt}}}"},
            "byproducts":[{{{Resource("sum", "otrainTree", model.SumRoot)}}}]
            }
            }
            }
            """).ReplaceLineEndings(""));
    }

    // Names of participants, constants and hexadecimal digits: nothing needs an escape.
    private static string Resource(string name, string algorithm, Digest digest) => $$$"""{"name":"{{{name}}}","digest":{"{{{algorithm}}}":"{{{digest}}}"}}""";
}
