using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;
using Orleans.Training.Tests.Validators;

namespace Orleans.Training.Tests.Links;

/// <summary>Four seats whose keys are known, and their certificates.</summary>
internal static class TestSeats
{
    public static Genesis Genesis { get; } = Of("heart");

    public static Genesis Of(string shard) => new("ledger.example/links", Identifier.Of(System.Text.Encoding.UTF8.GetBytes(shard)), 1_000, new ValidatorSet(1, [.. TestShard.Hospitals.Select(name =>
        new Validator(ParticipantId.Parse(name), TestShard.Key(name).Public, TestShard.Key(name + "/vote").Public, TestShard.Key(name + "/cosign").Public, TestShard.Key(name + "/log").Public))]));

    public static ParticipantId Name(int seat) => Genesis.Validators.Seats[seat].Organisation;

    /// <summary>Who a seat is on a link.</summary>
    public static LinkIdentity Identity(int seat) => new(Name(seat), Genesis.Validators.Seats[seat].TransactionKey.Id);

    /// <summary>Who may have links while nothing has changed.</summary>
    public static LinkMembers Members { get; } = LinkMembers.Of(Genesis);

    /// <summary>The certificate of a seat; or of somebody who only says that it is his.</summary>
    public static Task<X509Certificate2> Certificate(int seat, Genesis? genesis = null, string? signedBy = null) =>
        SeatCertificate.Create(genesis ?? Genesis, Name(seat), LocalValidators.Signer(signedBy ?? TestShard.Hospitals[seat]), CancellationToken.None);
}
