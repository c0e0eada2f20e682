namespace EhrGrains.Sandbox.Charts;

/// <summary>The words that charts are written with. Codes are public LOINC, SNOMED CT, ICD-10-CM and RxNorm codes.</summary>
internal static class Vocabulary
{
    /// <summary>Every synthetic family name starts with this and nothing else does: finding it where no PHI may be is a leak.</summary>
    public const string NameMarker = "Vexmoor";

    /// <summary>Every synthetic medical record number starts with this, for the same purpose.</summary>
    public const string RecordMarker = "VXMRN";

    public const string Loinc = "http://loinc.org";
    public const string Snomed = "http://snomed.info/sct";
    public const string Icd10 = "http://hl7.org/fhir/sid/icd-10-cm";
    public const string RxNorm = "http://www.nlm.nih.gov/research/umls/rxnorm";
    public const string Ucum = "http://unitsofmeasure.org";

    public static readonly string[] FamilyEndings =
    [
        "by", "son", "ton", "well", "ley", "hurst", "stead", "land", "field", "wick", "brook", "dale", "gate", "ham", "worth", "é",
        "-O'Neil",
        "ez", "ski", "mann", "berg", "strøm", "quist", "elli", "oğlu", "enko", "ian", "ová", "ssen", "ault",
    ];

    public static readonly string[] WomensNames =
    [
        "Maria", "Ana-Lucía", "Beatrice", "Chidinma", "Dorothy", "Elif", "Fatima", "Grace", "Hannah", "Ingrid", "Joan", "Keiko", "Lan",
        "Mei",
        "Noor", "Olivia", "Priya", "Ruth", "Siobhán", "Tamika", "Zoë",
    ];

    public static readonly string[] MensNames =
    [
        "James", "Ahmed", "Björn", "Carlos", "Dmitri", "Emeka", "Francis", "George", "Hiroshi", "Ivan", "José", "Kwame", "Liam", "Mateo",
        "Nguyen", "Omar", "Pavel", "Raj", "Samuel", "Tomás", "Wei",
    ];

    public static readonly string[] Streets =
    [
        "Alder St", "Canal Road", "Elm Avenue", "Harbor View", "Mill Lane", "Old Post Rd", "Second Street", "Windmill Ct"
    ];

    public static readonly (string City, string State, string Zip)[] Cities =
    [
        ("Fairwater", "WI", "53931"),
        ("Lakeside", "CA", "92040"),
        ("Cedar", "MI", "49621"),
        ("Springvale", "ME", "04083"),
        ("Marion", "OH", "43302"),
    ];

    public static readonly string[] Payers = ["Northern Mutual", "Statewide Medicaid", "Blue Harbor PPO", "Medicare Part B", "self pay"];

    /// <summary>Quantities: LOINC code, display, UCUM unit, plausible range in tenths, decimals shown.</summary>
    public static readonly (string Code, string Display, string Unit, int Low, int High)[] Labs =
    [
        ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 620, 2400),
        ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 46, 118),
        ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 5, 42),
        ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 1280, 1490),
        ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 29, 61),
        ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 78, 176),
        ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 21, 184),
        ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 840, 4500),
        ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 1100, 2990),
        ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 70, 1900),
        ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 2, 98),
        ("33914-3", "Glomerular filtration rate/1.73 sq M.predicted", "mL/min/{1.73_m2}", 140, 1180),
    ];

    public static readonly (string Code, string Display, string Unit, int Low, int High)[] Vitals =
    [
        ("8867-4", "Heart rate", "/min", 480, 1290),
        ("9279-1", "Respiratory rate", "/min", 100, 280),
        ("8310-5", "Body temperature", "Cel", 355, 396),
        ("29463-7", "Body weight", "kg", 412, 1430),
        ("8302-2", "Body height", "cm", 1460, 2010),
        ("2708-6", "Oxygen saturation in Arterial blood", "%", 870, 1000),
    ];

    public static readonly (string Snomed, string Icd10, string Display)[] Problems =
    [
        ("44054006", "E11.9", "Diabetes mellitus type 2"), ("38341003", "I10", "Hypertensive disorder"), ("195967001", "J45.909", "Asthma"),
        ("55822004", "E78.5", "Hyperlipidemia"),
        ("35489007", "F32.9", "Depressive disorder"),
        ("49436004", "I48.91", "Atrial fibrillation"),
        ("709044004", "N18.9", "Chronic kidney disease"),
        ("13645005", "J44.9", "Chronic obstructive lung disease"),
        ("396275006", "M19.90", "Osteoarthritis"),
        ("235595009", "K21.9", "Gastroesophageal reflux disease"),
        ("195662009", "J02.9", "Acute viral pharyngitis"),
        ("82423001", "G89.29", "Chronic pain"),
    ];

    public static readonly (string RxNorm, string Display, string Sig)[] Drugs =
    [
        ("860975", "metFORMIN hydrochloride 500 MG Oral Tablet", "Take 1 tablet by mouth 2 times a day with meals."),
        ("314076", "lisinopril 10 MG Oral Tablet", "Take 1 tablet by mouth daily."),
        ("617312", "atorvastatin 20 MG Oral Tablet", "1 tab PO qHS"),
        ("745679", "albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "2 puffs q4-6h PRN <wheezing>"),
        ("312938", "sertraline 50 MG Oral Tablet", "Take 1 tablet daily"),
        ("855332", "warfarin sodium 5 MG Oral Tablet", "As directed by clinic; INR \"weekly\""),
        ("310965", "ibuprofen 200 MG Oral Tablet", "prn"),
        ("198051", "omeprazole 20 MG Delayed Release Oral Capsule", "1 cap before breakfast"),
        ("197361", "amlodipine 5 MG Oral Tablet", "one daily"),
    ];

    public static readonly (string Snomed, string Display, string Category)[] Allergens =
    [
        ("91936005", "Allergy to penicillin", "medication"),
        ("300913006", "Shellfish allergy", "food"),
        ("91935009", "Allergy to peanut", "food"),
        ("300916003", "Latex allergy", "environment"),
        ("418689008", "Allergy to grass pollen", "environment"),
        ("294505008", "Allergy to amoxicillin", "medication"),
    ];

    public static readonly (string Code, string Display)[] Notes =
    [
        ("11506-3", "Progress note"),
        ("18842-5", "Discharge summary"),
        ("11488-4", "Consult note"),
        ("34117-2", "History and physical note"),
    ];

    /// <summary>
    /// Classes, and the local codes for them at the Epic-like site: three that vendors' samples show, two that only this site has.
    /// </summary>
    public static readonly (string Act, string Display, string EpicCode, string EpicDisplay)[] EncounterClasses =
    [
        ("AMB", "ambulatory", "4", "HOV"), ("AMB", "ambulatory", "5", "Appointment"), ("AMB", "ambulatory", "13", "Support OP Encounter"),
        ("IMP", "inpatient encounter", "9001", "Hospital Stay"), ("EMER", "emergency", "9002", "ED Visit"),
    ];
}
