using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains;

/// <summary>Makes signed transactions of one actor with one key.</summary>
public sealed class TransactionWriter(Digest chain, Identifier shard, ParticipantId actor, ISigner signer, TimeProvider time)
{
    private static readonly TimeSpan Validity = TimeSpan.FromMinutes(30);

    /// <summary>
    /// The signed transaction for a call. Its id follows from the call, so that whoever comes back after a crash and wants the same thing sends a transaction
    /// that the ledger knows already; <paramref name="salt"/> tells wishes apart that have equal arguments.
    /// </summary>
    public async ValueTask<Transaction> Write(ContractCall call, ReadOnlyMemory<byte> salt, CancellationToken cancellationToken)
    {
        var arguments = Wire.Encode(call.WriteArguments);
        var payload = new TransactionPayload
        {
            Chain = chain,
            Shard = shard,
            Actor = actor,
            KeyId = signer.PublicKey.Id,
            Id = Identifier.Of([.. System.Text.Encoding.ASCII.GetBytes($"{call.Contract}.{call.Method}\0"), .. salt.Span, 0, .. arguments]),
            NotAfterMs = time.GetUtcNow().Add(Validity).ToUnixTimeMilliseconds(),
            Contract = call.Contract,
            Method = call.Method,
            Arguments = arguments,
        }.Encode();
        var signature = await signer.Sign(Transaction.SigStructure(signer.PublicKey.Algorithm, payload), cancellationToken);
        return Transaction.TryParse(Transaction.Assemble(signer.PublicKey.Algorithm, payload, signature), out var transaction) is Rejection.None
            ? transaction!
            : throw new OperationalException("OT-7022", $"The call {call.Contract}.{call.Method} does not fit into a transaction of {Limits.TransactionBytes} bytes.");
    }
}
